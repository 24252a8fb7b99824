//! The configured provider of codes, which sends codes and checks those that it made itself.

use std::net::IpAddr;
use std::sync::Arc;

use super::provider_answer::{CodeCheck, IssuedCode, SendFault};
use super::twilio::Twilio;
use super::{Channel, Code, OtpSetupError, console, supabase};
use crate::config::OtpProviderConfig;
use crate::identity::Identity;
use crate::phone::Phone;
use crate::provider_http::Timeouts;

/// The provider name that is stored with the fixed code of a test number.
pub(super) const TEST_PROVIDER: &str = "test";
/// Every provider's codes have this many digits.
pub(super) const CODE_LENGTH: u32 = 6;

/// The names in lower case are stored with the codes.
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub(super) enum Provider {
    Console,
    Twilio(Twilio),
    /// The Supabase project that also issues the access tokens.
    Supabase(Arc<Identity>),
}

impl Provider {
    pub(super) fn new(
        config: &OtpProviderConfig,
        timeouts: Timeouts,
        identity: Arc<Identity>,
    ) -> Result<Self, OtpSetupError> {
        Ok(match (config, &*identity) {
            (OtpProviderConfig::Console, _) => Self::Console,
            (OtpProviderConfig::Twilio(config), _) => Self::Twilio(Twilio::new(config, timeouts)?),
            (OtpProviderConfig::Supabase, Identity::Supabase(_)) => Self::Supabase(identity),
            (OtpProviderConfig::Supabase, Identity::Local(_)) => {
                return Err(OtpSetupError::NoSupabase);
            }
        })
    }

    /// Whether the provider can send a live code a second time, after [`RESEND_AFTER`]. Supabase makes a new code
    /// each time.
    ///
    /// [`RESEND_AFTER`]: crate::store::otp::RESEND_AFTER
    pub(super) const fn can_resend(&self) -> bool {
        !matches!(self, Self::Supabase(_))
    }

    /// Makes one attempt and never retries: after a lost answer a retry could send a second message.
    pub(super) async fn send(
        &self,
        phone: &Phone,
        channel: Channel,
        client: IpAddr,
    ) -> Result<IssuedCode, SendFault> {
        match self {
            Self::Console => Ok(IssuedCode::CheckedHere(console::send(phone, channel))),
            Self::Twilio(twilio) => twilio
                .send(phone, channel)
                .await
                .map(IssuedCode::CheckedByProvider),
            Self::Supabase(identity) => supabase::send(identity, phone, channel, client)
                .await
                .map(|provider_ref| IssuedCode::CheckedByProvider(provider_ref.to_owned())),
        }
    }

    /// Has the provider compare a code. `provider_ref` is the provider's id for the code that was sent.
    pub(super) async fn check(
        &self,
        provider_ref: &str,
        phone: &Phone,
        code: &Code,
        client: IpAddr,
    ) -> CodeCheck {
        match self {
            // The console provider's codes are compared here, so no check reaches this arm.
            Self::Console => CodeCheck::Expired,
            Self::Twilio(twilio) => twilio.check(provider_ref, phone, code).await,
            Self::Supabase(identity) => supabase::check(identity, phone, code, client).await,
        }
    }
}
