//! Supabase Auth's own phone codes.
//!
//! There is one code a person, the newest, and it lives as long as the project says, a minute by
//! default. A right one opens a session there; it proves the number and is ended at once, and the
//! person is signed in like everybody, so that a password that somebody else once gave the number is
//! replaced.

use std::net::IpAddr;
use std::time::Duration;

use super::provider_answer::{Checked, SendFault};
use super::{Channel, Code};
use crate::identity::{
    Identity, LogoutScope, OtpChannel, StartOtpError, SupabaseIdentity, VerifyOtpError,
};
use crate::phone::Phone;

/// How long the project lets a person wait for the next code, and a code live, by default.
pub(super) const RESEND_AFTER: Duration = Duration::from_mins(1);

/// What stands where other providers have a name for the code.
pub(super) async fn send(
    identity: &Identity,
    phone: &Phone,
    channel: Channel,
    client: IpAddr,
) -> Result<&'static str, SendFault> {
    let channel = match channel {
        Channel::Sms => OtpChannel::Sms,
        Channel::WhatsApp => OtpChannel::WhatsApp,
        Channel::Call => return Err(SendFault::CannotSend),
    };
    let Some(supabase) = of(identity) else {
        return Err(SendFault::Away);
    };
    match supabase.start_otp(phone, channel, Some(client)).await {
        Ok(()) => Ok("newest"),
        Err(error) => {
            let (code, fault) = match error {
                StartOtpError::TooSoon { retry_after } => {
                    let retry_after = seconds(retry_after);
                    ("too_soon", SendFault::Busy { retry_after })
                }
                StartOtpError::InvalidPhone => ("invalid_phone", SendFault::InvalidPhone),
                StartOtpError::Undeliverable => ("undeliverable", SendFault::CannotSend),
                StartOtpError::Misconfigured => ("misconfigured", SendFault::Away),
                StartOtpError::Unavailable { .. } => ("unavailable", SendFault::Unknown),
            };
            count_fault(code);
            Err(fault)
        }
    }
}

pub(super) async fn check(
    identity: &Identity,
    phone: &Phone,
    code: &Code,
    client: IpAddr,
) -> Checked {
    let Some(supabase) = of(identity) else {
        return Checked::Gone;
    };
    let verified = supabase
        .verify_otp(phone, code.as_str(), Some(client))
        .await;
    let error = match verified {
        Ok(tokens) => {
            // Nobody holds its tokens after this, so one that stays open opens nothing.
            if let Err(error) = identity.log_out(&tokens, LogoutScope::Local).await {
                tracing::warn!(error = %error, "the session that proved a code was not ended");
            }
            return Checked::Right;
        }
        Err(error) => error,
    };
    match error {
        VerifyOtpError::Wrong => Checked::Wrong,
        VerifyOtpError::Banned => {
            count_fault("banned");
            Checked::Gone
        }
        VerifyOtpError::Misconfigured => {
            count_fault("misconfigured");
            Checked::NotJudged { retry_after: 30 }
        }
        VerifyOtpError::Unavailable { .. } => {
            count_fault("unavailable");
            Checked::Unknown
        }
    }
}

fn of(identity: &Identity) -> Option<&SupabaseIdentity> {
    match identity {
        Identity::Supabase(supabase) => Some(supabase),
        Identity::Local(_) => None,
    }
}

fn seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX).max(1)
}

fn count_fault(code: &'static str) {
    metrics::counter!("otp_provider_errors_total", "provider" => "supabase", "code" => code)
        .increment(1);
}
