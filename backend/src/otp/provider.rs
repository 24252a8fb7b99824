//! The provider of codes: it sends them and checks them.

use std::net::IpAddr;
use std::sync::Arc;

use super::provider_answer::{CodeCheck, SendFault, Sent};
use super::twilio::Twilio;
use super::{Channel, Code, OtpSetupError, console, supabase};
use crate::config::OtpProviderConfig;
use crate::identity::Identity;
use crate::phone::Phone;
use crate::provider_http::Timeouts;

/// Name of the codes that test numbers have.
pub(super) const TEST: &str = "test";
/// How many digits the code of any provider has.
pub(super) const CODE_LENGTH: u32 = 6;

/// The names in lower case are stored with the codes.
#[derive(strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
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

    /// Whether it sends a code that lives once more, after [`RESEND_AFTER`].
    ///
    /// [`RESEND_AFTER`]: crate::store::otp::RESEND_AFTER
    pub(super) const fn can_resend(&self) -> bool {
        // Supabase makes a new one each time.
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
    ) -> CodeCheck {
        match self {
            // The codes that it sent are known here.
            Self::Console => CodeCheck::Gone,
            Self::Twilio(twilio) => twilio.check(name, phone, code).await,
            Self::Supabase(identity) => supabase::check(identity, phone, code, client).await,
        }
    }
}
