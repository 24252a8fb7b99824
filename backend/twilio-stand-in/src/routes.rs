//! The routes: start, check, update and fetch a verification, and fetch the service.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use stand_in::{Answer, Clock, Request, Service, random};

use crate::answers;
use crate::error::{ErrorAnswer, TwilioError};
use crate::settings::{Announce, Settings};
use crate::verification::{Status, Verification};

const CHANNELS: [&str; 6] = ["sms", "whatsapp", "call", "email", "sna", "auto"];

/// The stand-in's service, Twilio Verify.
#[derive(Debug)]
pub(crate) struct Verify {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    state: Mutex<State>,
    url: String,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Verifications that have not ended, oldest first; at most one per phone number.
    pub(crate) verifications: Vec<Verification>,
    /// Phone number and code of every send, those of ended verifications included.
    pub(crate) sent: Vec<(String, String)>,
    /// Number of checks with a well-formed code, right or wrong.
    pub(crate) checks: usize,
    /// Results that a test has set for the next checks. They apply to a right and to a wrong code.
    pub(crate) next_checks: Vec<ForcedCheck>,
}

/// The result of a check that a test has set.
#[derive(Debug, Clone)]
pub(crate) struct ForcedCheck {
    pub(crate) status: Status,
    /// The phone number in the answer, if it is to differ from the verification's.
    pub(crate) to: Option<String>,
}

type VerifyResult = Result<Answer, ErrorAnswer>;
type Form = HashMap<String, String>;

impl Service for Verify {
    async fn answer(&self, request: Request) -> Answer {
        self.route(&request).unwrap_or_else(ErrorAnswer::answer)
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

    /// Removes expired verifications and returns the locked state.
    pub(crate) fn remove_expired(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        state
            .verifications
            .retain(|verification| !verification.is_expired(&self.settings, now));
        state
    }

    fn route(&self, request: &Request) -> VerifyResult {
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
            (&Method::GET, []) => Ok(self.fetch_service()),
            (&Method::POST, ["Verifications"]) => self.start(&form),
            (&Method::POST, ["VerificationCheck"]) => self.check(&form, request),
            (&Method::POST, ["Verifications", sid]) => self.update(sid, &form, request),
            (&Method::GET, ["Verifications", sid]) => self.fetch(sid, request),
            _ => Err(not_found(request)),
        }
    }

    fn check_credentials(&self, request: &Request) -> Result<(), ErrorAnswer> {
        let settings = &self.settings;
        let pairs = [
            (&settings.account_sid, &settings.auth_token),
            (&settings.api_key_sid, &settings.api_key_secret),
        ];
        let credentials = request
            .header("authorization")
            .and_then(|header| header.strip_prefix("Basic "));
        let is_known = pairs.iter().any(|(user, password)| {
            credentials == Some(STANDARD.encode(format!("{user}:{password}")).as_str())
        });
        is_known
            .then_some(())
            .ok_or(TwilioError::Authenticate.into())
    }

    fn start(&self, form: &Form) -> VerifyResult {
        let to = form.get("To").map_or("", String::as_str);
        if !is_e164(to) {
            let message = format!("Invalid parameter `To`: {to}");
            return Err(TwilioError::InvalidParameter.with_message(message));
        }
        let channel = form.get("Channel").map_or("", String::as_str);
        if !CHANNELS.contains(&channel) {
            let message = format!("Invalid parameter `Channel`: {channel}");
            return Err(TwilioError::InvalidParameter.with_message(message));
        }
        let now = self.clock.now();
        let mut state = self.remove_expired();
        let mut verifications = state.verifications.iter();
        let existing = verifications.position(|verification| verification.to == to);
        let index = if let Some(index) = existing {
            index
        } else {
            let code = self.new_code(form)?;
            let new = Verification::new(to.to_owned(), code, now);
            state.verifications.push(new);
            state.verifications.len() - 1
        };
        let verification = &mut state.verifications[index];
        if verification.sends.len() >= self.settings.max_sends {
            return Err(TwilioError::MaxSends.into());
        }
        verification.record_send(channel, now);
        let body = self.body_of(verification, Status::Pending);
        let code = verification.code.clone();
        if self.settings.announce == Announce::OnStderr {
            eprintln!("code {code} for {to}");
        }
        state.sent.push((to.to_owned(), code));
        Ok(Answer::json(StatusCode::CREATED, &body))
    }

    /// The code of a new verification: the one in the request, the fixed one, or a random one.
    fn new_code(&self, form: &Form) -> Result<String, ErrorAnswer> {
        let Some(custom) = form.get("CustomCode") else {
            let fixed = self.settings.fixed_code.clone();
            return Ok(fixed.unwrap_or_else(|| random::digits(self.settings.code_length)));
        };
        if is_code(custom) {
            return Ok(custom.clone());
        }
        let message = "Invalid parameter `CustomCode`";
        Err(TwilioError::InvalidParameter.with_message(message))
    }

    fn check(&self, form: &Form, request: &Request) -> VerifyResult {
        let code = form.get("Code").map_or("", String::as_str);
        if !is_code(code) {
            let message = format!("Invalid parameter: Code. Invalid code `{code}`");
            return Err(TwilioError::InvalidParameter.with_message(message));
        }
        let mut state = self.remove_expired();
        state.checks += 1;
        let is_named = |verification: &Verification| match form.get("VerificationSid") {
            Some(sid) => verification.sid == *sid,
            None => form.get("To") == Some(&verification.to),
        };
        let index = state.verifications.iter().position(is_named);
        let index = index.ok_or_else(|| not_found(request))?;
        if !state.next_checks.is_empty() {
            let forced = state.next_checks.remove(0);
            let mut verification = state.verifications[index].clone();
            verification.to = forced.to.unwrap_or(verification.to);
            let body = answers::check_body(&verification, forced.status, &self.settings);
            return Ok(Answer::ok(&body));
        }
        let verification = &mut state.verifications[index];
        verification.checks += 1;
        verification.updated_at = self.clock.now();
        let (status, has_ended) = if verification.code == code {
            (Status::Approved, true)
        } else {
            (
                Status::Pending,
                verification.checks >= self.settings.max_checks,
            )
        };
        let body = answers::check_body(verification, status, &self.settings);
        if has_ended {
            state.verifications.remove(index);
        }
        Ok(Answer::ok(&body))
    }

    fn update(&self, sid: &str, form: &Form, request: &Request) -> VerifyResult {
        let status = match form.get("Status").map(String::as_str) {
            Some("canceled") => Status::Canceled,
            Some("approved") => Status::Approved,
            _ => {
                let message = "Invalid parameter `Status`";
                return Err(TwilioError::InvalidParameter.with_message(message));
            }
        };
        let mut state = self.remove_expired();
        let mut verifications = state.verifications.iter();
        let index = verifications.position(|verification| verification.sid == sid);
        let index = index.ok_or_else(|| not_found(request))?;
        let mut verification = state.verifications.remove(index);
        verification.updated_at = self.clock.now();
        let body = self.body_of(&verification, status);
        Ok(Answer::ok(&body))
    }

    fn fetch(&self, sid: &str, request: &Request) -> VerifyResult {
        let state = self.remove_expired();
        let mut verifications = state.verifications.iter();
        let verification = verifications
            .find(|verification| verification.sid == sid)
            .ok_or_else(|| not_found(request))?;
        let body = self.body_of(verification, Status::Pending);
        Ok(Answer::ok(&body))
    }

    fn fetch_service(&self) -> Answer {
        let settings = &self.settings;
        let body = serde_json::json!({
            "sid": settings.service_sid,
            "account_sid": settings.account_sid,
            "friendly_name": "archety",
            "code_length": settings.code_length,
        });
        Answer::ok(&body)
    }

    fn body_of(&self, verification: &Verification, status: Status) -> serde_json::Value {
        answers::verification_body(verification, status, &self.settings, &self.url)
    }
}

fn not_found(request: &Request) -> ErrorAnswer {
    let message = format!("The requested resource {} was not found", request.path);
    TwilioError::NotFound.with_message(message)
}

fn is_e164(to: &str) -> bool {
    to.strip_prefix('+').is_some_and(|digits| {
        (2..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// Whether the text has the form of a code: 4 to 10 digits.
fn is_code(code: &str) -> bool {
    (4..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit())
}
