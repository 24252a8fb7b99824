//! Supabase Auth's own phone codes.
//!
//! There is one code a person, the newest, and it lives as long as the project says, a minute by
//! default. A right one opens a session there, which proves the number and is ended at once. The person is
//! then signed in as with any other provider of codes, so that a password that somebody else once gave the
//! number is replaced.

use std::net::IpAddr;
use std::time::Duration;

use super::provider_answer::{Checked, SendFault};
use super::{Channel, Code, whole_seconds};
use crate::identity::{Identity, StartOtpError, SupabaseIdentity, VerifyOtpError};
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
    if channel == Channel::Call {
        return Err(SendFault::CannotSend);
    }
    let Some(supabase) = of(identity) else {
        return Err(SendFault::Away);
    };
    let sent = supabase.start_otp(phone, channel, Some(client)).await;
    sent.map(|()| "newest").map_err(|error| {
        count_fault((&error).into());
        match error {
            StartOtpError::TooSoon { retry_after } => SendFault::Busy {
                retry_after: whole_seconds(retry_after),
            },
            StartOtpError::InvalidPhone => SendFault::InvalidPhone,
            StartOtpError::Undeliverable => SendFault::CannotSend,
            StartOtpError::Misconfigured => SendFault::Away,
            StartOtpError::Unavailable => SendFault::Unknown,
        }
    })
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
            // Its tokens are forgotten after this, so a session that stays open opens nothing.
            if let Err(error) = identity.log_out(&tokens).await {
                tracing::warn!(error = %error, "the session that proved a code was not ended");
            }
            return Checked::Right;
        }
        Err(error) => error,
    };
    if !matches!(error, VerifyOtpError::Wrong) {
        count_fault((&error).into());
    }
    match error {
        VerifyOtpError::Wrong => Checked::Wrong,
        VerifyOtpError::Banned => Checked::Gone,
        VerifyOtpError::Misconfigured => Checked::NotJudged { retry_after: 30 },
        VerifyOtpError::Unavailable => Checked::Unknown,
    }
}

fn of(identity: &Identity) -> Option<&SupabaseIdentity> {
    match identity {
        Identity::Supabase(supabase) => Some(supabase),
        Identity::Local(_) => None,
    }
}

fn count_fault(code: &'static str) {
    metrics::counter!("otp_provider_errors_total", "provider" => "supabase", "code" => code)
        .increment(1);
}
