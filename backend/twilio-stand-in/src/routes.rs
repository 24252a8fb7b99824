//! The four calls of a verification: start, check, update, fetch; and fetching the service itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use stand_in::{Answer, Clock, Request, Service, random};

use crate::answers;
use crate::error::{Refused, TwilioError};
use crate::settings::{Announce, Settings};
use crate::verification::{Status, Verification};

const CHANNELS: [&str; 6] = ["sms", "whatsapp", "call", "email", "sna", "auto"];

#[derive(Debug)]
pub(crate) struct Verify {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    state: Mutex<State>,
    url: String,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Under way, oldest first; at most one a number.
    pub(crate) verifications: Vec<Verification>,
    /// Every code sent, by number, also of verifications that are gone.
    pub(crate) sent: Vec<(String, String)>,
    pub(crate) checks: usize,
    /// What the next checks are said to be, whatever the code.
    pub(crate) next_checks: Vec<Forced>,
}

/// A check that a test decides.
#[derive(Debug, Clone)]
pub(crate) struct Forced {
    pub(crate) status: Status,
    /// Answered instead of the number asked about.
    pub(crate) to: Option<String>,
}

type Outcome = Result<Answer, Refused>;
type Form = HashMap<String, String>;

impl Service for Verify {
    async fn answer(&self, request: Request) -> Answer {
        self.route(&request).unwrap_or_else(Refused::answer)
    }
}

impl Verify {
    pub(crate) fn new(settings: Settings, url: String) -> Self {
        Self {
            settings,
            clock: Clock::default(),
            state: Mutex::default(),
            url,
        }
    }

    /// The state, without what is over by now.
    pub(crate) fn current(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        state
            .verifications
            .retain(|one| !one.is_over(&self.settings, now));
        state
    }

    fn route(&self, request: &Request) -> Outcome {
        self.check_credentials(request)?;
        let segments: Vec<&str> = request.path.split('/').skip(1).collect();
        let ["v2", "Services", service, rest @ ..] = segments.as_slice() else {
            return Err(not_found(request));
        };
        if *service != self.settings.service_sid {
            return Err(not_found(request));
        }
        let form: Form = url::form_urlencoded::parse(&request.body)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        match (&request.method, rest) {
            (&Method::GET, []) => Ok(self.service()),
            (&Method::POST, ["Verifications"]) => self.start(&form),
            (&Method::POST, ["VerificationCheck"]) => self.check(&form, request),
            (&Method::POST, ["Verifications", sid]) => self.update(sid, &form, request),
            (&Method::GET, ["Verifications", sid]) => self.fetch(sid, request),
            _ => Err(not_found(request)),
        }
    }

    fn check_credentials(&self, request: &Request) -> Result<(), Refused> {
        let settings = &self.settings;
        let pairs = [
            (&settings.account_sid, &settings.auth_token),
            (&settings.api_key_sid, &settings.api_key_secret),
        ];
        let given = request
            .header("authorization")
            .and_then(|header| header.strip_prefix("Basic "));
        let known = pairs.iter().any(|(user, password)| {
            given == Some(STANDARD.encode(format!("{user}:{password}")).as_str())
        });
        known.then_some(()).ok_or(TwilioError::Authenticate.into())
    }

    fn start(&self, form: &Form) -> Outcome {
        let to = form.get("To").map_or("", String::as_str);
        if !is_e164(to) {
            let message = format!("Invalid parameter `To`: {to}");
            return Err(TwilioError::InvalidParameter.saying(message));
        }
        let channel = form.get("Channel").map_or("", String::as_str);
        if !CHANNELS.contains(&channel) {
            let message = format!("Invalid parameter `Channel`: {channel}");
            return Err(TwilioError::InvalidParameter.saying(message));
        }
        let now = self.clock.now();
        let mut state = self.current();
        let under_way = state.verifications.iter().position(|one| one.to == to);
        let at = if let Some(at) = under_way {
            at
        } else {
            let code = self.new_code(form)?;
            let fresh = Verification::new(to.to_owned(), code, now);
            state.verifications.push(fresh);
            state.verifications.len() - 1
        };
        let verification = &mut state.verifications[at];
        if verification.sends.len() >= self.settings.max_sends {
            return Err(TwilioError::MaxSends.into());
        }
        verification.send(channel, now);
        let body = self.show(verification, Status::Pending);
        let code = verification.code.clone();
        if self.settings.announce == Announce::OnStderr {
            eprintln!("code {code} for {to}");
        }
        state.sent.push((to.to_owned(), code));
        Ok(Answer::json(StatusCode::CREATED, &body))
    }

    fn new_code(&self, form: &Form) -> Result<String, Refused> {
        let Some(custom) = form.get("CustomCode") else {
            let fixed = self.settings.fixed_code.clone();
            return Ok(fixed.unwrap_or_else(|| random::digits(self.settings.code_length)));
        };
        if is_code(custom) {
            return Ok(custom.clone());
        }
        let message = "Invalid parameter `CustomCode`";
        Err(TwilioError::InvalidParameter.saying(message))
    }

    fn check(&self, form: &Form, request: &Request) -> Outcome {
        let code = form.get("Code").map_or("", String::as_str);
        if !is_code(code) {
            let message = format!("Invalid parameter: Code. Invalid code `{code}`");
            return Err(TwilioError::InvalidParameter.saying(message));
        }
        let mut state = self.current();
        state.checks += 1;
        let wanted = |one: &Verification| match form.get("VerificationSid") {
            Some(sid) => one.sid == *sid,
            None => form.get("To") == Some(&one.to),
        };
        let at = state.verifications.iter().position(wanted);
        let at = at.ok_or_else(|| not_found(request))?;
        if !state.next_checks.is_empty() {
            let forced = state.next_checks.remove(0);
            let mut shown = state.verifications[at].clone();
            shown.to = forced.to.unwrap_or(shown.to);
            let body = answers::check(&shown, forced.status, &self.settings);
            return Ok(Answer::ok(&body));
        }
        let verification = &mut state.verifications[at];
        verification.checks += 1;
        verification.updated_at = self.clock.now();
        let (status, over) = if verification.code == code {
            (Status::Approved, true)
        } else {
            (
                Status::Pending,
                verification.checks >= self.settings.max_checks,
            )
        };
        let body = answers::check(verification, status, &self.settings);
        if over {
            state.verifications.remove(at);
        }
        Ok(Answer::ok(&body))
    }

    fn update(&self, sid: &str, form: &Form, request: &Request) -> Outcome {
        let status = match form.get("Status").map(String::as_str) {
            Some("canceled") => Status::Canceled,
            Some("approved") => Status::Approved,
            _ => {
                let message = "Invalid parameter `Status`";
                return Err(TwilioError::InvalidParameter.saying(message));
            }
        };
        let mut state = self.current();
        let at = state.verifications.iter().position(|one| one.sid == sid);
        let at = at.ok_or_else(|| not_found(request))?;
        let mut verification = state.verifications.remove(at);
        verification.updated_at = self.clock.now();
        let body = self.show(&verification, status);
        Ok(Answer::ok(&body))
    }

    fn fetch(&self, sid: &str, request: &Request) -> Outcome {
        let state = self.current();
        let found = state.verifications.iter().find(|one| one.sid == sid);
        let verification = found.ok_or_else(|| not_found(request))?;
        let body = self.show(verification, Status::Pending);
        Ok(Answer::ok(&body))
    }

    fn service(&self) -> Answer {
        let settings = &self.settings;
        let body = serde_json::json!({
            "sid": settings.service_sid,
            "account_sid": settings.account_sid,
            "friendly_name": "archety",
            "code_length": settings.code_length,
        });
        Answer::ok(&body)
    }

    fn show(&self, verification: &Verification, status: Status) -> serde_json::Value {
        answers::verification(verification, status, &self.settings, &self.url)
    }
}

fn not_found(request: &Request) -> Refused {
    let message = format!("The requested resource {} was not found", request.path);
    TwilioError::NotFound.saying(message)
}

fn is_e164(to: &str) -> bool {
    to.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

fn is_code(code: &str) -> bool {
    (4..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
}
