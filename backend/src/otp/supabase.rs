//! Phone codes that Supabase Auth makes, sends and checks.
//!
//! Supabase keeps only a person's newest code. Its lifetime is a setting of the project, by default a minute. A right
//! code opens a session at Supabase, which this module ends at once. The usual sign-in follows, as with every other
//! provider of codes. The sign-in also replaces the password of the Supabase account, which a stranger could have
//! set.

use std::net::IpAddr;
use std::time::Duration;

use super::provider_answer::{CodeCheck, SendFault};
use super::{Channel, Code, whole_seconds};
use crate::identity::{Identity, StartOtpError, SupabaseIdentity, VerifyOtpError};
use crate::phone::Phone;

/// A project's default pause between two codes, and also the default lifetime of a code.
pub(super) const RESEND_AFTER: Duration = Duration::from_mins(1);

/// When a client may try again if no code can be checked with the project's settings.
const MISCONFIGURED_RETRY_SECS: u32 = 30;

/// Sends a code. Supabase returns no id of the code, so the result is a fixed placeholder for it.
pub(super) async fn send(
    identity: &Identity,
    phone: &Phone,
    channel: Channel,
    client: IpAddr,
) -> Result<&'static str, SendFault> {
    // Supabase sends codes by SMS and WhatsApp only.
    if channel == Channel::Call {
        return Err(SendFault::CannotSend);
    }
    let Some(supabase) = supabase_of(identity) else {
        return Err(SendFault::Unavailable);
    };
    let sent = supabase.start_otp(phone, channel, Some(client)).await;
    sent.map(|()| "newest").map_err(|error| {
        record_fault((&error).into());
        match error {
            StartOtpError::TooSoon { retry_after } => SendFault::NumberLimited {
                retry_after: whole_seconds(retry_after),
            },
            StartOtpError::InvalidPhone => SendFault::InvalidPhone,
            StartOtpError::Undeliverable => SendFault::CannotSend,
            StartOtpError::Misconfigured => SendFault::Unavailable,
            StartOtpError::Unavailable => SendFault::Unclear,
        }
    })
}

/// Has Supabase check the number's newest code, and ends the session that a right code opens.
pub(super) async fn check(
    identity: &Identity,
    phone: &Phone,
    code: &Code,
    client: IpAddr,
) -> CodeCheck {
    let Some(supabase) = supabase_of(identity) else {
        return CodeCheck::Expired;
    };
    let verified = supabase
        .verify_otp(phone, code.as_str(), Some(client))
        .await;
    let error = match verified {
        Ok(tokens) => {
            // The tokens are dropped here, so a session that stays open cannot be used.
            if let Err(error) = identity.log_out(&tokens).await {
                tracing::warn!(error = %error, "the session that proved a code was not ended");
            }
            return CodeCheck::Right;
        }
        Err(error) => error,
    };
    if !matches!(error, VerifyOtpError::Wrong) {
        record_fault((&error).into());
    }
    match error {
        VerifyOtpError::Wrong => CodeCheck::Wrong,
        VerifyOtpError::Banned => CodeCheck::Expired,
        VerifyOtpError::Misconfigured => CodeCheck::NotChecked {
            retry_after: MISCONFIGURED_RETRY_SECS,
        },
        VerifyOtpError::Unavailable => CodeCheck::Unclear,
    }
}

fn supabase_of(identity: &Identity) -> Option<&SupabaseIdentity> {
    match identity {
        Identity::Supabase(supabase) => Some(supabase),
        Identity::Local(_) => None,
    }
}

fn record_fault(code: &'static str) {
    metrics::counter!("otp_provider_errors_total", "provider" => "supabase", "code" => code)
        .increment(1);
}
