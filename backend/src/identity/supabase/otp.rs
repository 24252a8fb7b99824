//! Codes that Supabase Auth sends and checks itself (`OTP_PROVIDER=supabase`).
//!
//! A right code proves the number and opens a session at the project. The caller ends that session, and then signs the
//! person in as with any other provider of codes.

use std::net::IpAddr;
use std::time::Duration;

use super::SupabaseIdentity;
use crate::config::Channel;
use crate::identity::grant::UpstreamTokens;
use crate::phone::Phone;

/// The wait after the provider's limit of codes is reached. The provider states it only in a sentence.
const RESEND_AFTER: Duration = Duration::from_mins(1);

/// Why no code was sent. A variant's name in snake case is a label of metrics.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StartOtpError {
    /// A code was sent a moment ago, or too many codes were sent.
    #[error("too many codes")]
    TooSoon { retry_after: Duration },
    #[error("the identity provider does not accept the number")]
    InvalidPhone,
    #[error("the code cannot be delivered")]
    Undeliverable,
    /// With its settings the project sends no codes. The log says what the operator has to change.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
    /// A code may have been sent.
    #[error("the identity provider does not answer")]
    Unavailable,
}

/// Why a code did not prove the number. A variant's name in snake case is a label of metrics.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum VerifyOtpError {
    /// The code is wrong, expired or used. The provider gives the same answer for all three.
    #[error("the code is wrong, expired or used")]
    Wrong,
    /// The provider has banned the person.
    #[error("the identity provider has banned this person")]
    Banned,
    /// With its settings the project checks no codes. The log says what the operator has to change.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
    /// The code may be used up.
    #[error("the identity provider does not answer")]
    Unavailable,
}

impl SupabaseIdentity {
    /// Sends a code, by SMS or `WhatsApp`. The request is never repeated, because the code may have been sent
    /// although no answer came.
    pub async fn start_otp(
        &self,
        phone: &Phone,
        channel: Channel,
        client_ip: Option<IpAddr>,
    ) -> Result<(), StartOtpError> {
        let started = self
            .client
            .start_otp(phone, channel.into_str(), client_ip)
            .await;
        started.map_err(|error| match error.code() {
            Some("over_sms_send_rate_limit") => StartOtpError::TooSoon {
                retry_after: RESEND_AFTER,
            },
            Some("over_request_rate_limit") => StartOtpError::TooSoon {
                retry_after: error.retry_after,
            },
            Some("validation_failed") => StartOtpError::InvalidPhone,
            Some("sms_send_failed") => StartOtpError::Undeliverable,
            _ if error.log_remedy() => StartOtpError::Misconfigured,
            _ => StartOtpError::Unavailable,
        })
    }

    /// Checks a code. Returns the tokens of the session that the code opened, which the caller has to end.
    pub async fn verify_otp(
        &self,
        phone: &Phone,
        code: &str,
        client_ip: Option<IpAddr>,
    ) -> Result<UpstreamTokens, VerifyOtpError> {
        match self.client.verify_otp(phone, code, client_ip).await {
            Ok(answer) => Ok(answer.into_tokens()),
            Err(error) => Err(match error.code() {
                Some("otp_expired" | "validation_failed") => VerifyOtpError::Wrong,
                Some("user_banned") => VerifyOtpError::Banned,
                _ if error.log_remedy() => VerifyOtpError::Misconfigured,
                _ => VerifyOtpError::Unavailable,
            }),
        }
    }
}
