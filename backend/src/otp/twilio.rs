//! Twilio Verify v2: it makes codes, sends them and checks them.
//!
//! A start is sent once and never again by itself: there is no idempotency key, and a second one is a
//! second message. A check names the verification, not the number, so that another client's start
//! cannot be swapped in. Only the status `approved` on an answer about our number and our verification
//! is a yes; an answer that is lost, late or not understood is a no. Answers carry numbers, so nothing
//! of them is logged but the code of an error.

use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::provider_answer::{Checked, SendFault};
use super::{Channel, Code, ProviderTimeouts};
use crate::config::{TwilioConfig, is_loopback};
use crate::phone::Phone;

/// Shorter than any server keeps a silent connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// Its answers have two.
const MAX_ANSWER: usize = 64 * 1024;
/// Twilio forgets a verification, and its limits, after ten minutes.
const LONGEST_WAIT: u32 = 600;
const SHORT_WAIT: u32 = 30;

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
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be set up; on Linux, install ca-certificates")]
    Client(#[from] reqwest::Error),
    /// Account and token, or key and secret, are not accepted.
    #[error(
        "it refuses TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET"
    )]
    Credentials,
    /// The account has no such service.
    #[error("the account has no service TWILIO_VERIFY_SERVICE_SID")]
    Service,
    /// It answers, and does not show the service.
    #[error(
        "it does not show the service (status {status}, code {code}); a restricted key may still send codes"
    )]
    Refused {
        /// Of HTTP.
        status: u16,
        /// Twilio's own.
        code: u32,
    },
    /// It does not answer, or not as Twilio does.
    #[error("it does not answer")]
    Unreachable,
}

/// Asks Twilio whether it would send codes for us. Sends nothing.
pub async fn probe_twilio(
    config: &TwilioConfig,
    timeouts: ProviderTimeouts,
) -> Result<(), TwilioProbeError> {
    Twilio::new(config, timeouts)?.probe().await
}

/// The fields that count, of a verification, a check or an error.
#[derive(Deserialize)]
struct Body {
    sid: Option<String>,
    to: Option<String>,
    /// Text in a resource, a number in an error.
    status: Option<serde_json::Value>,
    code: Option<u32>,
}

/// What came back.
enum Answer {
    /// A resource.
    Resource(Body),
    /// An error that Twilio describes.
    Error {
        status: StatusCode,
        code: u32,
        retry_after: Option<u32>,
    },
    /// The request never left.
    NotReached,
    /// Anything else: it may have been obeyed.
    Unclear,
}

impl Twilio {
    pub(super) fn new(
        config: &TwilioConfig,
        timeouts: ProviderTimeouts,
    ) -> Result<Self, reqwest::Error> {
        let mut client = Client::builder()
            .redirect(Policy::none())
            .referer(false)
            // A start that is sent twice is two messages.
            .retry(reqwest::retry::never())
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total)
            // On a connection that the other side has given up nobody knows what has arrived.
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("archety-backend/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&config.base_url) {
            client = client.no_proxy();
        } else {
            client = client.https_only(true);
        }
        let base = config.base_url.as_str().trim_end_matches('/');
        let service = format!("{base}/v2/Services/{}", config.service_sid);
        Ok(Self {
            client: client.build()?,
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
            Answer::Resource(_) => Ok(()),
            Answer::Error { status, .. } if status == StatusCode::UNAUTHORIZED => {
                Err(TwilioProbeError::Credentials)
            }
            Answer::Error { status, .. } if status == StatusCode::NOT_FOUND => {
                Err(TwilioProbeError::Service)
            }
            Answer::Error { status, code, .. } => Err(TwilioProbeError::Refused {
                status: status.as_u16(),
                code,
            }),
            Answer::NotReached | Answer::Unclear => Err(TwilioProbeError::Unreachable),
        }
    }

    /// The name of the verification.
    pub(super) async fn send(&self, phone: &Phone, channel: Channel) -> Result<String, SendFault> {
        let form = [("To", phone.as_str()), ("Channel", channel.as_str())];
        match self.post(&self.verifications, &form).await {
            Answer::Resource(body) => {
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
            Answer::Error {
                status,
                code,
                retry_after,
            } => Err(send_fault(status, code, retry_after)),
            Answer::NotReached => Err(SendFault::Away),
            Answer::Unclear => Err(SendFault::Unknown),
        }
    }

    pub(super) async fn check(&self, sid: &str, phone: &Phone, code: &Code) -> Checked {
        let form = [("VerificationSid", sid), ("Code", code.as_str())];
        match self.post(&self.checks, &form).await {
            Answer::Resource(body) => {
                let is_ours =
                    body.to.as_deref() == Some(phone.as_str()) && body.sid.as_deref() == Some(sid);
                if !is_ours {
                    note_fault("other_number");
                    return Checked::Unknown;
                }
                match body.status.as_ref().and_then(serde_json::Value::as_str) {
                    Some("approved") => Checked::Right,
                    Some("pending") => Checked::Wrong,
                    Some("canceled" | "deleted" | "failed" | "expired") => Checked::Gone,
                    Some("max_attempts_reached") => Checked::TooMany,
                    _ => {
                        note_fault("not_understood");
                        Checked::Unknown
                    }
                }
            }
            Answer::Error {
                status,
                code,
                retry_after,
            } => check_fault(status, code, retry_after),
            Answer::NotReached => Checked::NotJudged {
                retry_after: SHORT_WAIT,
            },
            Answer::Unclear => Checked::Unknown,
        }
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> Answer {
        let request = self
            .client
            .post(url)
            .basic_auth(&self.username, Some(self.password.expose_secret()))
            .form(form);
        match request.send().await {
            Ok(response) => read(response).await,
            Err(error) if error.is_connect() => {
                note_fault("not_reached");
                Answer::NotReached
            }
            Err(error) => {
                note_fault(if error.is_timeout() {
                    "timeout"
                } else {
                    "lost"
                });
                Answer::Unclear
            }
        }
    }
}

async fn read(mut response: Response) -> Answer {
    let status = response.status();
    let header = |name| response.headers().get(name)?.to_str().ok();
    let retry_after = header(RETRY_AFTER).and_then(|text| text.trim().parse::<u32>().ok());
    let is_json = header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
    if status.is_redirection() {
        note_fault("redirect");
        return Answer::Unclear;
    }
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if is_json && bytes.len() + chunk.len() <= MAX_ANSWER => {
                bytes.extend_from_slice(&chunk);
            }
            Ok(None) if is_json => break,
            Ok(_) => {
                note_fault("not_understood");
                return Answer::Unclear;
            }
            Err(error) => {
                note_fault(if error.is_timeout() {
                    "timeout"
                } else {
                    "lost"
                });
                return Answer::Unclear;
            }
        }
    }
    match serde_json::from_slice::<Body>(&bytes) {
        Ok(body) if status.is_success() => Answer::Resource(body),
        Ok(Body {
            code: Some(code), ..
        }) => {
            note_fault(label(code));
            Answer::Error {
                status,
                code,
                retry_after,
            }
        }
        _ => {
            note_fault("not_understood");
            Answer::Unclear
        }
    }
}

fn send_fault(status: StatusCode, code: u32, retry_after: Option<u32>) -> SendFault {
    let wait = |usual: u32| retry_after.unwrap_or(usual).clamp(1, LONGEST_WAIT);
    match code {
        // No number, a landline, a number that a carrier refuses.
        60200 | 60205 | 60006 => SendFault::InvalidPhone,
        60202 | 60203 => SendFault::Busy {
            retry_after: wait(LONGEST_WAIT),
        },
        60212 => SendFault::Busy {
            retry_after: wait(SHORT_WAIT),
        },
        20429 => SendFault::Overloaded {
            retry_after: wait(SHORT_WAIT),
        },
        // Channel off, vetting, blocked, fraud guard, device, country, trial account.
        60223 | 60220 | 60238 | 60410 | 60413 | 60605 | 21608 => SendFault::CannotSend,
        _ => match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                tracing::error!(
                    code,
                    "Twilio does not let us in; check TWILIO_* and the Verify service"
                );
                SendFault::Away
            }
            StatusCode::TOO_MANY_REQUESTS => SendFault::Overloaded {
                retry_after: wait(SHORT_WAIT),
            },
            StatusCode::SERVICE_UNAVAILABLE => SendFault::Away,
            _ if status.is_client_error() => SendFault::CannotSend,
            // It may have failed after the message went out.
            _ => SendFault::Unknown,
        },
    }
}

fn check_fault(status: StatusCode, code: u32, retry_after: Option<u32>) -> Checked {
    let not_judged = || Checked::NotJudged {
        retry_after: retry_after.unwrap_or(SHORT_WAIT).clamp(1, LONGEST_WAIT),
    };
    match code {
        // What is no code to Twilio, such as one of another length, is not the one that it sent.
        60200 => Checked::Wrong,
        60202 => Checked::TooMany,
        60212 | 20429 => not_judged(),
        _ => match status {
            // Used, expired or guessed at too often: Twilio has forgotten it.
            StatusCode::NOT_FOUND => Checked::Gone,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                tracing::error!(
                    code,
                    "Twilio does not let us in; check TWILIO_* and the Verify service"
                );
                not_judged()
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => not_judged(),
            _ => Checked::Unknown,
        },
    }
}

fn is_sid(sid: &str) -> bool {
    (3..=64).contains(&sid.len())
        && sid.starts_with("VE")
        && sid.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn note_fault(code: &'static str) {
    metrics::counter!("otp_provider_errors_total", "provider" => "twilio", "code" => code)
        .increment(1);
    tracing::warn!(provider = "twilio", code, "the provider of codes failed");
}

/// An error's code as a label: of those that are known, lest a provider makes up series.
fn label(code: u32) -> &'static str {
    match code {
        20003 => "20003",
        20404 => "20404",
        20429 => "20429",
        21608 => "21608",
        60006 => "60006",
        60200 => "60200",
        60202 => "60202",
        60203 => "60203",
        60205 => "60205",
        60212 => "60212",
        60220 => "60220",
        60223 => "60223",
        60238 => "60238",
        60410 => "60410",
        60413 => "60413",
        60605 => "60605",
        _ => "other",
    }
}
