//! Twilio Verify v2: it makes codes, sends them and checks them.
//!
//! A start is sent once and never again by itself: there is no idempotency key, and a second one is a
//! second message. A check names the verification, not the number, so that another client's start
//! cannot be swapped in. Only the status `approved` on an answer about our number and our verification
//! is a yes; an answer that is lost, late or not understood is a no. Answers carry numbers, so of an answer
//! only the code of an error is logged.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::provider_answer::{CodeCheck, SendFault};
use super::{Channel, Code, whole_seconds};
use crate::config::TwilioConfig;
use crate::phone::Phone;
use crate::provider_http::{self, Timeouts, is_json, read_bounded};

/// How long Twilio may take: it answers within a second or two, and a person waits meanwhile. The total has
/// to stay below [`RESERVED_FOR`](crate::store::otp::RESERVED_FOR).
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(10),
};
/// Shorter than any server keeps a silent connection: on one that the other side has given up it cannot be
/// told what has arrived.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Twilio's answers have two kilobytes.
const MAX_ANSWER: usize = 64 * 1024;
/// Twilio forgets a verification, and its limits, after ten minutes.
const LONGEST_WAIT: u32 = 600;
const SHORT_WAIT: u32 = 30;

/// The errors that Twilio documents for Verify.
const KNOWN_ERRORS: [u32; 16] = [
    20003, 20404, 20429, 21608, 60006, 60200, 60202, 60203, 60205, 60212, 60220, 60223, 60238,
    60410, 60413, 60605,
];

pub(super) struct Twilio {
    client: Client,
    service: String,
    verifications: String,
    checks: String,
    username: String,
    password: SecretString,
}

/// Why codes could not be sent by Twilio as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum TwilioProbeError {
    #[error("the HTTP client cannot be set up; on Linux, install ca-certificates")]
    Client(#[from] reqwest::Error),
    #[error(
        "it refuses TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"
    )]
    Credentials,
    #[error("the account has no service TWILIO_VERIFY_SERVICE_SID")]
    Service,
    #[error(
        "it does not show the service (status {status}, code {code}); a restricted key may still send codes"
    )]
    Refused { status: u16, code: u32 },
    /// It does not answer, or not as Twilio does.
    #[error("it does not answer")]
    Unreachable,
}

/// Asks Twilio whether it would send codes for us. Sends nothing.
pub async fn probe_twilio(config: &TwilioConfig) -> Result<(), TwilioProbeError> {
    Twilio::new(config, TIMEOUTS)?.probe().await
}

/// The fields that count, of a verification, a check or an error.
#[derive(Deserialize)]
struct TwilioBody {
    sid: Option<String>,
    to: Option<String>,
    /// Text in a resource, a number in an error.
    status: Option<serde_json::Value>,
    code: Option<u32>,
}

/// An error that Twilio describes.
struct TwilioError {
    status: StatusCode,
    code: u32,
    /// Seconds.
    retry_after: Option<u32>,
}

enum TwilioAnswer {
    Resource(TwilioBody),
    Error(TwilioError),
    /// The request never left.
    NotReached,
    /// Anything else: it may have been obeyed.
    Unclear,
}

impl Twilio {
    pub(super) fn new(config: &TwilioConfig, timeouts: Timeouts) -> Result<Self, reqwest::Error> {
        let base = config.base_url.as_str().trim_end_matches('/');
        let service = format!("{base}/v2/Services/{}", config.service_sid);
        Ok(Self {
            client: provider_http::client(&config.base_url, timeouts, IDLE_TIMEOUT)?,
            verifications: format!("{service}/Verifications"),
            checks: format!("{service}/VerificationCheck"),
            service,
            username: config.username.clone(),
            password: config.password.clone(),
        })
    }

    /// Whether the service exists and lets us in. Sends nothing.
    pub(super) async fn probe(&self) -> Result<(), TwilioProbeError> {
        let request = self
            .client
            .get(&self.service)
            .basic_auth(&self.username, Some(self.password.expose_secret()));
        let answer = match request.send().await {
            Ok(response) => read(response).await,
            Err(_) => return Err(TwilioProbeError::Unreachable),
        };
        match answer {
            TwilioAnswer::Resource(_) => Ok(()),
            TwilioAnswer::Error(error) => Err(match error.status {
                StatusCode::UNAUTHORIZED => TwilioProbeError::Credentials,
                StatusCode::NOT_FOUND => TwilioProbeError::Service,
                status => TwilioProbeError::Refused {
                    status: status.as_u16(),
                    code: error.code,
                },
            }),
            TwilioAnswer::NotReached | TwilioAnswer::Unclear => Err(TwilioProbeError::Unreachable),
        }
    }

    /// The name of the verification.
    pub(super) async fn send(&self, phone: &Phone, channel: Channel) -> Result<String, SendFault> {
        let form = [("To", phone.as_str()), ("Channel", channel.into_str())];
        match self.post(&self.verifications, &form).await {
            TwilioAnswer::Resource(body) => {
                let is_ours = body.to.as_deref() == Some(phone.as_str());
                match body.sid {
                    _ if !is_ours && body.to.is_some() => {
                        note_fault("other_number");
                        Err(SendFault::Misdirected)
                    }
                    Some(sid) if is_ours && is_sid(&sid) => Ok(sid),
                    _ => {
                        note_fault("not_understood");
                        Err(SendFault::Unknown)
                    }
                }
            }
            TwilioAnswer::Error(error) => Err(send_fault(&error)),
            TwilioAnswer::NotReached => Err(SendFault::Away),
            TwilioAnswer::Unclear => Err(SendFault::Unknown),
        }
    }

    pub(super) async fn check(&self, sid: &str, phone: &Phone, code: &Code) -> CodeCheck {
        let form = [("VerificationSid", sid), ("Code", code.as_str())];
        match self.post(&self.checks, &form).await {
            TwilioAnswer::Resource(body) => {
                let is_ours =
                    body.to.as_deref() == Some(phone.as_str()) && body.sid.as_deref() == Some(sid);
                if !is_ours {
                    note_fault("other_number");
                    return CodeCheck::Unknown;
                }
                match body.status.as_ref().and_then(serde_json::Value::as_str) {
                    Some("approved") => CodeCheck::Right,
                    Some("pending") => CodeCheck::Wrong,
                    Some("canceled" | "deleted" | "failed" | "expired") => CodeCheck::Gone,
                    Some("max_attempts_reached") => CodeCheck::TooMany,
                    _ => {
                        note_fault("not_understood");
                        CodeCheck::Unknown
                    }
                }
            }
            TwilioAnswer::Error(error) => check_fault(&error),
            TwilioAnswer::NotReached => CodeCheck::NotJudged {
                retry_after: SHORT_WAIT,
            },
            TwilioAnswer::Unclear => CodeCheck::Unknown,
        }
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> TwilioAnswer {
        let request = self
            .client
            .post(url)
            .basic_auth(&self.username, Some(self.password.expose_secret()))
            .form(form);
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() => {
                note_fault("not_reached");
                TwilioAnswer::NotReached
            }
            Err(error) => lost(&error),
        }
    }
}

fn lost(error: &reqwest::Error) -> TwilioAnswer {
    note_fault(if error.is_timeout() {
        "timeout"
    } else {
        "lost"
    });
    TwilioAnswer::Unclear
}

fn not_understood() -> TwilioAnswer {
    note_fault("not_understood");
    TwilioAnswer::Unclear
}

async fn read(response: Response) -> TwilioAnswer {
    let status = response.status();
    let retry_after = provider_http::retry_after(response.headers()).map(whole_seconds);
    if status.is_redirection() {
        note_fault("redirect");
        return TwilioAnswer::Unclear;
    }
    if !is_json(response.headers()) {
        return not_understood();
    }
    let bytes = match read_bounded(response, MAX_ANSWER).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return not_understood(),
        Err(error) => return lost(&error),
    };
    match serde_json::from_slice::<TwilioBody>(&bytes) {
        Ok(body) if status.is_success() => TwilioAnswer::Resource(body),
        Ok(TwilioBody {
            code: Some(code), ..
        }) => {
            note_fault(label(code));
            TwilioAnswer::Error(TwilioError {
                status,
                code,
                retry_after,
            })
        }
        _ => not_understood(),
    }
}

impl TwilioError {
    fn wait(&self, usual: u32) -> u32 {
        self.retry_after.unwrap_or(usual).clamp(1, LONGEST_WAIT)
    }
}

fn send_fault(error: &TwilioError) -> SendFault {
    let busy = |usual| SendFault::Busy {
        retry_after: error.wait(usual),
    };
    let overloaded = || SendFault::Overloaded {
        retry_after: error.wait(SHORT_WAIT),
    };
    match error.code {
        // No number, a landline, a number that a carrier refuses.
        60200 | 60205 | 60006 => SendFault::InvalidPhone,
        60202 | 60203 => busy(LONGEST_WAIT),
        60212 => busy(SHORT_WAIT),
        20429 => overloaded(),
        // Channel off, vetting, blocked, fraud guard, device, country, trial account.
        60223 | 60220 | 60238 | 60410 | 60413 | 60605 | 21608 => SendFault::CannotSend,
        _ => match error.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                tell_owner(error.code);
                SendFault::Away
            }
            StatusCode::TOO_MANY_REQUESTS => overloaded(),
            StatusCode::SERVICE_UNAVAILABLE => SendFault::Away,
            status if status.is_client_error() => SendFault::CannotSend,
            // It may have failed after the message went out.
            _ => SendFault::Unknown,
        },
    }
}

fn check_fault(error: &TwilioError) -> CodeCheck {
    let not_judged = || CodeCheck::NotJudged {
        retry_after: error.wait(SHORT_WAIT),
    };
    match error.code {
        // What Twilio takes for no code, such as one of another length, is not the one that it sent.
        60200 => CodeCheck::Wrong,
        60202 => CodeCheck::TooMany,
        60212 | 20429 => not_judged(),
        _ => match error.status {
            // Used, expired or guessed at too often: Twilio has forgotten it.
            StatusCode::NOT_FOUND => CodeCheck::Gone,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                tell_owner(error.code);
                not_judged()
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => not_judged(),
            _ => CodeCheck::Unknown,
        },
    }
}

fn is_sid(sid: &str) -> bool {
    (3..=64).contains(&sid.len())
        && sid.starts_with("VE")
        && sid.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn tell_owner(code: u32) {
    tracing::error!(
        code,
        "Twilio does not let us in; check TWILIO_* and the Verify service"
    );
}

fn note_fault(code: impl Into<Cow<'static, str>>) {
    let code = code.into();
    tracing::warn!(
        provider = "twilio",
        code = &*code,
        "the provider of codes failed"
    );
    metrics::counter!("otp_provider_errors_total", "provider" => "twilio", "code" => code)
        .increment(1);
}

/// An error's code as a label. One that is not known is no label of its own, so that a provider cannot make
/// up series.
fn label(code: u32) -> Cow<'static, str> {
    if KNOWN_ERRORS.contains(&code) {
        code.to_string().into()
    } else {
        "other".into()
    }
}
