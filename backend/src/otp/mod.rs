//! Proof that a person has a number: a code goes there, and comes back.
//!
//! Nothing here looks at people, so a known number is answered as an unknown one. Decisions are made in the
//! store, so that any replica may end what another began. A start and a confirmation run to their end even
//! if the caller goes away in between. Providers send codes, and check what they sent; the only right answer
//! is a plain "approved", and an unclear one fails closed. Who gets a session for an approved challenge, and
//! what the number means, is decided elsewhere.

mod code;
mod confirm;
mod console;
mod guard;
mod provider;
mod provider_answer;
mod start;
mod supabase;
mod twilio;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use code::{Code, InvalidCode};
pub use confirm::{Approved, Confirm, ConfirmError, Repeated};
pub use start::{Start, StartError, Started};
pub use twilio::{TIMEOUTS, TwilioProbeError, probe_twilio};

use crate::clock::Timestamp;
pub use crate::config::Channel;
use crate::config::{OtpConfig, OtpLimits, TestNumber};
use crate::identity::Identity;
use crate::lifecycle::run_to_end;
use crate::phone::{InvalidPhone, Phone};
use crate::phone_region::Regions;
pub use crate::provider_http::Timeouts;
use crate::store::otp::{BoundTo, PHONE_HASH};
use crate::store::{Pepper, Store, StoreError};
use crate::throttle::Throttle;
use provider::Provider;

/// What kind of client asks, and by what it is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeBinding {
    /// An app: it may confirm with the challenge's id, or else with the number.
    App,
    /// A browser, by the digest of its pre-session.
    Browser([u8; 32]),
}

/// Whether the number was confirmed on this device before. Strangers cannot use up what is kept for a
/// known one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Known,
    /// It was not, or that cannot be told.
    Unknown,
}

/// Sends codes and checks them. Cheap to clone.
#[derive(Clone)]
pub struct Otp(Arc<Inner>);

struct Inner {
    store: Store,
    pepper: Pepper,
    provider: Provider,
    test_numbers: Vec<TestNumber>,
    regions: Regions,
    channels: Vec<Channel>,
    limits: OtpLimits,
    /// Of wrong codes in all.
    alarm: Throttle,
}

/// How often an alarm of wrong codes is raised.
const ALARMED_EVERY: Duration = Duration::from_hours(1);

#[derive(Debug, thiserror::Error)]
pub enum OtpSetupError {
    #[error("the HTTP client of the provider of codes cannot be built")]
    Client(#[from] reqwest::Error),
    /// `OTP_PROVIDER=supabase` without `IDENTITY=supabase`, which the configuration refuses.
    #[error("Supabase sends no codes for a backend that issues its own identities")]
    NoSupabase,
}

impl Otp {
    /// As configured. `identity` may be what sends codes, too.
    pub fn new(
        config: &OtpConfig,
        timeouts: Timeouts,
        identity: Arc<Identity>,
        store: Store,
        pepper: Pepper,
    ) -> Result<Self, OtpSetupError> {
        let provider = Provider::new(&config.provider, timeouts, identity)?;
        Ok(Self(Arc::new(Inner {
            store,
            pepper,
            provider,
            test_numbers: config.test_numbers.clone(),
            regions: config.regions.clone(),
            channels: config.channels.clone(),
            limits: config.limits,
            alarm: Throttle::new(ALARMED_EVERY),
        })))
    }

    /// What a person typed, if it is a number that codes are sent to, or a test number.
    pub fn parse_phone(&self, text: &str) -> Result<Phone, InvalidPhone> {
        let typed = Phone::parse_separated(text);
        let is_test = |phone: &Phone| self.0.test_numbers.iter().any(|test| test.phone == *phone);
        match typed.filter(is_test) {
            Some(phone) => Ok(phone),
            None => Phone::parse_typed(text, &self.0.regions),
        }
    }

    /// The channel that a client names, or the first; `None` if codes do not travel that way here.
    pub fn channel(&self, named: Option<&str>) -> Option<Channel> {
        let mut offered = self.0.channels.iter().copied();
        match named {
            None => offered.next(),
            Some(name) => offered.find(|channel| channel.into_str() == name),
        }
    }

    pub fn channels(&self) -> &[Channel] {
        &self.0.channels
    }

    /// Sends a code, or joins the one that lives. The answer does not tell which.
    pub async fn start(&self, ask: &Start, now: Timestamp) -> Result<Started, StartError> {
        let (inner, ask) = (Arc::clone(&self.0), ask.clone());
        // A client that hangs up must not leave a code sent and not noted.
        let work = run_to_end(async move { inner.start(&ask, now).await });
        work.await
            .unwrap_or(Err(StartError::Unavailable { retry_after: 1 }))
    }

    /// The session that this very confirmation opened or stepped up a moment ago, in the same browser.
    pub async fn just_confirmed(
        &self,
        ask: &Confirm,
        now: Timestamp,
    ) -> Result<Option<Repeated>, StoreError> {
        self.0.just_confirmed(ask, now).await
    }

    /// Checks a code. Once right it stays right for the client that gave it, until a session is made of it.
    pub async fn confirm(&self, ask: &Confirm, now: Timestamp) -> Result<Approved, ConfirmError> {
        let (inner, ask) = (Arc::clone(&self.0), ask.clone());
        // Nor a code approved and not noted.
        let work = run_to_end(async move { inner.confirm(&ask, now).await });
        work.await
            .unwrap_or(Err(ConfirmError::Unavailable { retry_after: 1 }))
    }
}

impl Inner {
    fn phone_hash(&self, phone: &Phone) -> [u8; 32] {
        self.pepper.hash(PHONE_HASH, phone.as_str())
    }

    /// The keyed hash of a code that we check ourselves.
    fn code_hash(&self, code_id: Uuid, code: &str) -> [u8; 32] {
        self.pepper.hash("otp-code", &format!("{code_id} {code}"))
    }

    fn test_number(&self, phone: &Phone) -> Option<&TestNumber> {
        self.test_numbers.iter().find(|test| test.phone == *phone)
    }
}

fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

fn bound_to(binding: ChallengeBinding, session: Option<Uuid>) -> BoundTo {
    let browser = match binding {
        ChallengeBinding::App => None,
        ChallengeBinding::Browser(digest) => Some(digest),
    };
    BoundTo { browser, session }
}

/// Whole seconds until `until`, at least one.
fn seconds_until(until: Timestamp, now: Timestamp) -> u32 {
    let micros = until.as_micros().saturating_sub(now.as_micros());
    u32::try_from(micros.div_euclid(1_000_000) + i64::from(micros.rem_euclid(1_000_000) > 0))
        .unwrap_or(0)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        let now = Timestamp::from_secs(5);
        let left = |micros| seconds_until(Timestamp::from_micros(micros), now);
        assert_eq!(left(5_000_001), 1);
        assert_eq!(left(65_000_000), 60);
        assert_eq!(left(65_000_001), 61);
        assert_eq!(left(0), 1);
    }

    #[test]
    fn channels_are_a_closed_list() {
        for channel in [Channel::Sms, Channel::Call, Channel::WhatsApp] {
            assert_eq!(channel.into_str().parse(), Ok(channel));
        }
        assert!("email".parse::<Channel>().is_err());
        assert!("SMS".parse::<Channel>().is_err());
    }
}
