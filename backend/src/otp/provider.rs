//! The provider of codes: it sends them and checks them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::provider_answer::{Checked, SendFault, Sent};
use super::twilio::Twilio;
use super::{Channel, Code, OtpSetupError, console, supabase};
use crate::config::OtpProviderConfig;
use crate::identity::Identity;
use crate::phone::Phone;
use crate::provider_http::Timeouts;
use crate::store::otp::CODE_TTL;

/// Name of the codes that test numbers have.
pub(super) const TEST: &str = "test";
/// How many digits the code of any provider has.
pub(super) const CODE_LENGTH: u32 = 6;

pub(super) enum Provider {
    Console,
    Twilio(Twilio),
    /// The identity provider.
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

    /// As codes of it are stored.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Twilio(_) => "twilio",
            Self::Supabase(_) => "supabase",
        }
    }

    /// After what time a start sends a new code instead of joining the one that was sent.
    pub(super) const fn resend_after(&self) -> Duration {
        match self {
            // Twilio would send the same code again.
            Self::Console | Self::Twilio(_) => CODE_TTL,
            Self::Supabase(_) => supabase::RESEND_AFTER,
        }
    }

    /// Whether it sends a code that lives once more, after [`RESEND_AFTER`].
    ///
    /// [`RESEND_AFTER`]: crate::store::otp::RESEND_AFTER
    pub(super) const fn can_resend(&self) -> bool {
        // Supabase makes a new one.
        !matches!(self, Self::Supabase(_))
    }

    /// Never tried again by itself: a message that was sent after all would be sent twice.
    pub(super) async fn send(
        &self,
        phone: &Phone,
        channel: Channel,
        client: IpAddr,
    ) -> Result<Sent, SendFault> {
        match self {
            Self::Console => Ok(Sent::Known(console::send(phone, channel))),
            Self::Twilio(twilio) => twilio.send(phone, channel).await.map(Sent::Named),
            Self::Supabase(identity) => supabase::send(identity, phone, channel, client)
                .await
                .map(|name| Sent::Named(name.to_owned())),
        }
    }

    /// Checks a code that this provider checks itself.
    pub(super) async fn check(
        &self,
        name: &str,
        phone: &Phone,
        code: &Code,
        client: IpAddr,
    ) -> Checked {
        match self {
            // It checks none: codes that it sent are known here.
            Self::Console => Checked::Gone,
            Self::Twilio(twilio) => twilio.check(name, phone, code).await,
            Self::Supabase(identity) => supabase::check(identity, phone, code, client).await,
        }
    }
}
