//! The client of Twilio Verify v2, which makes, sends and checks codes. A code that was sent is called a verification.
//!
//! Sending is never retried automatically: Twilio has no idempotency key, so a retry could send a second message.
//! A check names the verification instead of the number, so a verification that another client began is not
//! checked by mistake. A code is right only if Twilio answers `approved` for our number and our verification. An
//! answer that is lost, late or not understood counts as a failure. An answer contains the phone number, so only
//! its error code is logged.

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

/// Twilio usually answers within two seconds, and a person waits meanwhile. The total
/// has to stay below [`RESERVED_FOR`](crate::store::otp::RESERVED_FOR).
pub const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(3),
    total: Duration::from_secs(10),
};
/// The client closes an idle connection before Twilio's server does: a request on a connection that the server has
/// just closed could get lost without an answer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Twilio's answers have about two kilobytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Twilio forgets a verification and its rate limits after ten minutes.
const MAX_RETRY_AFTER_SECS: u32 = 600;
const DEFAULT_RETRY_AFTER_SECS: u32 = 30;

/// The errors that Twilio documents for Verify.
const DOCUMENTED_ERRORS: [u32; 16] = [
    20003, 20404, 20429, 21608, 60006, 60200, 60202, 60203, 60205, 60212, 60220, 60223, 60238,
    60410, 60413, 60605,
];

pub(super) struct Twilio {
    client: Client,
    /// The URLs of the Verify service, of its verifications and of its checks.
    service: String,
    verifications: String,
    checks: String,
    username: String,
    password: SecretString,
}

/// Why Twilio could not send codes with this configuration.
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
    /// No answer came, or the answer is not Twilio's.
    #[error("it does not answer")]
    Unreachable,
}

/// Checks the credentials and the Verify service. Sends no message.
pub async fn probe_twilio(config: &TwilioConfig) -> Result<(), TwilioProbeError> {
    Twilio::new(config, TIMEOUTS)?.probe().await
}

/// The fields that are read of a verification, a check or an error.
#[derive(Deserialize)]
struct TwilioBody {
    sid: Option<String>,
    to: Option<String>,
    /// A string in a verification or a check, a number in an error.
    status: Option<serde_json::Value>,
    code: Option<u32>,
}

/// An error with Twilio's own error code.
struct TwilioError {
    status: StatusCode,
    code: u32,
    /// In seconds.
    retry_after: Option<u32>,
}

enum TwilioAnswer {
    Resource(TwilioBody),
    Error(TwilioError),
    /// The connection failed, so the request was not sent.
    NotReached,
    /// The answer was lost or not understood. Twilio may have executed the request.
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

    /// Checks that the service exists and accepts the credentials. Sends no message.
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

    /// Sends a code and returns the id of the verification.
    pub(super) async fn send(&self, phone: &Phone, channel: Channel) -> Result<String, SendFault> {
        let form = [("To", phone.as_str()), ("Channel", channel.into_str())];
        match self.post(&self.verifications, &form).await {
            TwilioAnswer::Resource(body) => {
                let is_our_request = body.to.as_deref() == Some(phone.as_str());
                match body.sid {
                    _ if !is_our_request && body.to.is_some() => {
                        record_fault("other_number");
                        Err(SendFault::WrongRecipient)
                    }
                    Some(sid) if is_our_request && is_sid(&sid) => Ok(sid),
                    _ => {
                        record_fault("not_understood");
                        Err(SendFault::Unclear)
                    }
                }
            }
            TwilioAnswer::Error(error) => Err(send_fault(&error)),
            TwilioAnswer::NotReached => Err(SendFault::Unavailable),
            TwilioAnswer::Unclear => Err(SendFault::Unclear),
        }
    }

    pub(super) async fn check(&self, sid: &str, phone: &Phone, code: &Code) -> CodeCheck {
        let form = [("VerificationSid", sid), ("Code", code.as_str())];
        match self.post(&self.checks, &form).await {
            TwilioAnswer::Resource(body) => {
                let is_our_request =
                    body.to.as_deref() == Some(phone.as_str()) && body.sid.as_deref() == Some(sid);
                if !is_our_request {
                    record_fault("other_number");
                    return CodeCheck::Unclear;
                }
                match body.status.as_ref().and_then(serde_json::Value::as_str) {
                    Some("approved") => CodeCheck::Right,
                    Some("pending") => CodeCheck::Wrong,
                    Some("canceled" | "deleted" | "failed" | "expired") => CodeCheck::Expired,
                    Some("max_attempts_reached") => CodeCheck::TooManyChecks,
                    _ => {
                        record_fault("not_understood");
                        CodeCheck::Unclear
                    }
                }
            }
            TwilioAnswer::Error(error) => check_fault(&error),
            TwilioAnswer::NotReached => CodeCheck::NotChecked {
                retry_after: DEFAULT_RETRY_AFTER_SECS,
            },
            TwilioAnswer::Unclear => CodeCheck::Unclear,
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
                record_fault("not_reached");
                TwilioAnswer::NotReached
            }
            Err(error) => lost_answer(&error),
        }
    }
}

fn lost_answer(error: &reqwest::Error) -> TwilioAnswer {
    record_fault(if error.is_timeout() {
        "timeout"
    } else {
        "lost"
    });
    TwilioAnswer::Unclear
}

fn unreadable_answer() -> TwilioAnswer {
    record_fault("not_understood");
    TwilioAnswer::Unclear
}

async fn read(response: Response) -> TwilioAnswer {
    let status = response.status();
    let retry_after = provider_http::retry_after(response.headers()).map(whole_seconds);
    if status.is_redirection() {
        record_fault("redirect");
        return TwilioAnswer::Unclear;
    }
    if !is_json(response.headers()) {
        return unreadable_answer();
    }
    let bytes = match read_bounded(response, MAX_ANSWER_BYTES).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return unreadable_answer(),
        Err(error) => return lost_answer(&error),
    };
    match serde_json::from_slice::<TwilioBody>(&bytes) {
        Ok(body) if status.is_success() => TwilioAnswer::Resource(body),
        Ok(TwilioBody {
            code: Some(code), ..
        }) => {
            record_fault(error_label(code));
            TwilioAnswer::Error(TwilioError {
                status,
                code,
                retry_after,
            })
        }
        _ => unreadable_answer(),
    }
}

impl TwilioError {
    fn retry_after(&self, default: u32) -> u32 {
        self.retry_after
            .unwrap_or(default)
            .clamp(1, MAX_RETRY_AFTER_SECS)
    }
}

fn send_fault(error: &TwilioError) -> SendFault {
    let number_limited = |default| SendFault::NumberLimited {
        retry_after: error.retry_after(default),
    };
    let account_limited = || SendFault::AccountLimited {
        retry_after: error.retry_after(DEFAULT_RETRY_AFTER_SECS),
    };
    match error.code {
        // Not a number, a landline, or a number that a carrier refuses.
        60200 | 60205 | 60006 => SendFault::InvalidPhone,
        // Too many checks of a code, or too many codes.
        60202 | 60203 => number_limited(MAX_RETRY_AFTER_SECS),
        // Too many simultaneous requests for one number.
        60212 => number_limited(DEFAULT_RETRY_AFTER_SECS),
        // Too many requests of the account.
        20429 => account_limited(),
        // Channel disabled, vetting pending, number blocked, fraud guard, device, country or trial account.
        60223 | 60220 | 60238 | 60410 | 60413 | 60605 | 21608 => SendFault::CannotSend,
        _ => match error.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                log_refusal(error.code);
                SendFault::Unavailable
            }
            StatusCode::TOO_MANY_REQUESTS => account_limited(),
            StatusCode::SERVICE_UNAVAILABLE => SendFault::Unavailable,
            status if status.is_client_error() => SendFault::CannotSend,
            // The error may have come after the message was sent.
            _ => SendFault::Unclear,
        },
    }
}

fn check_fault(error: &TwilioError) -> CodeCheck {
    let not_checked = || CodeCheck::NotChecked {
        retry_after: error.retry_after(DEFAULT_RETRY_AFTER_SECS),
    };
    match error.code {
        // Twilio does not accept the code's format, so it is not the code that was sent.
        60200 => CodeCheck::Wrong,
        60202 => CodeCheck::TooManyChecks,
        60212 | 20429 => not_checked(),
        _ => match error.status {
            // Twilio deletes a verification that was approved, has expired or was tried too often.
            StatusCode::NOT_FOUND => CodeCheck::Expired,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                log_refusal(error.code);
                not_checked()
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => not_checked(),
            _ => CodeCheck::Unclear,
        },
    }
}

fn is_sid(sid: &str) -> bool {
    (3..=64).contains(&sid.len())
        && sid.starts_with("VE")
        && sid.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn log_refusal(code: u32) {
    tracing::error!(
        code,
        "Twilio refuses the credentials; check TWILIO_* and the Verify service"
    );
}

fn record_fault(code: impl Into<Cow<'static, str>>) {
    let code = code.into();
    tracing::warn!(
        provider = "twilio",
        code = &*code,
        "the provider of codes failed"
    );
    metrics::counter!("otp_provider_errors_total", "provider" => "twilio", "code" => code)
        .increment(1);
}

/// The metrics label of an error code. Every undocumented code has the label `other`, so that Twilio cannot create
/// new time series.
fn error_label(code: u32) -> Cow<'static, str> {
    if DOCUMENTED_ERRORS.contains(&code) {
        code.to_string().into()
    } else {
        "other".into()
    }
}
