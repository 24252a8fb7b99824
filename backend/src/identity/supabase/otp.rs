//! Codes that Supabase Auth sends and checks itself (`OTP_PROVIDER=supabase`).
//!
//! A code that is right opens a session there, which proves the number and serves nothing else: whoever
//! called logs it out locally, and signs the person in like everybody.

use std::net::IpAddr;
use std::time::Duration;

use super::SupabaseIdentity;
use super::call_error::CallError;
use super::refusal::Refusal;
use crate::identity::grant::UpstreamTokens;
use crate::phone::Phone;

/// How long a person waits between two codes, where the provider does not tell.
const RESEND_AFTER: Duration = Duration::from_mins(1);

/// How a code travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtpChannel {
    /// By SMS.
    Sms,
    /// By `WhatsApp`.
    WhatsApp,
}

impl OtpChannel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::WhatsApp => "whatsapp",
        }
    }
}

/// No code was sent, or nobody knows whether one was.
#[derive(Debug, thiserror::Error)]
pub enum StartOtpError {
    /// One was sent just now, or too many were.
    #[error("too many codes")]
    TooSoon {
        /// When to try again.
        retry_after: Duration,
    },
    /// The provider takes it for no number.
    #[error("not a number for the identity provider")]
    InvalidPhone,
    /// It cannot be delivered.
    #[error("the code cannot be delivered")]
    Undeliverable,
    /// The project sends no codes. The owner was told.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
    /// The provider does not answer. A code may have been sent.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// A code did not prove the number.
#[derive(Debug, thiserror::Error)]
pub enum VerifyOtpError {
    /// Wrong, expired or used: the provider does not tell which.
    #[error("not the code")]
    Wrong,
    /// The provider has banned the person.
    #[error("the identity provider has banned this person")]
    Banned,
    /// The project checks no codes. The owner was told.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
    /// The provider does not answer. The code may be used up.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

impl SupabaseIdentity {
    /// Sends a code. Never repeated by itself: it may have been sent although no answer came.
    pub async fn start_otp(
        &self,
        phone: &Phone,
        channel: OtpChannel,
        client: Option<IpAddr>,
    ) -> Result<(), StartOtpError> {
        let started = self.client.start_otp(phone, channel.as_str(), client).await;
        let Err(error) = started else {
            return Ok(());
        };
        let retry_after = error.retry_after();
        Err(match (error.code(), &error) {
            (Some("over_sms_send_rate_limit"), _) => StartOtpError::TooSoon {
                retry_after: RESEND_AFTER,
            },
            (Some("over_request_rate_limit"), _) => StartOtpError::TooSoon { retry_after },
            (Some("validation_failed"), _) => StartOtpError::InvalidPhone,
            (Some("sms_send_failed"), _) => StartOtpError::Undeliverable,
            (_, CallError::Refused(refusal)) if refusal.tell_owner() => {
                StartOtpError::Misconfigured
            }
            _ => StartOtpError::Unavailable { retry_after },
        })
    }

    /// Checks a code. The session that it opens is to be logged out ([`LogoutScope::Local`]).
    ///
    /// [`LogoutScope::Local`]: crate::identity::LogoutScope::Local
    pub async fn verify_otp(
        &self,
        phone: &Phone,
        code: &str,
        client: Option<IpAddr>,
    ) -> Result<UpstreamTokens, VerifyOtpError> {
        let error = match self.client.verify_otp(phone, code, client).await {
            Ok(answer) => return Ok(answer.into_tokens()),
            Err(error) => error,
        };
        let retry_after = error.retry_after();
        Err(match (error.code(), &error) {
            (Some("otp_expired" | "validation_failed"), _) => VerifyOtpError::Wrong,
            (Some("user_banned"), _) => VerifyOtpError::Banned,
            (_, CallError::Refused(refusal)) if Refusal::tell_owner(refusal) => {
                VerifyOtpError::Misconfigured
            }
            _ => VerifyOtpError::Unavailable { retry_after },
        })
    }
}
