//! One-time codes: a person proves that a phone number is theirs by entering a code that was sent to it. A challenge is
//! one request for a code, which the confirmation must name.
//!
//! The module never looks up people, so its answers are the same for a known and an unknown number. All state
//! is in the store, so a code that one replica sent can be confirmed at another. A request that has begun runs
//! to its end even if the client disconnects. If the provider compares the code, only a clear "approved"
//! confirms it; an unclear answer counts as a failure. Module `sessions` turns an approved challenge into a session.

mod code;
mod confirm;
mod console;
mod provider;
mod provider_answer;
mod rate_limits;
mod start;
mod supabase;
mod twilio;

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use code::{Code, InvalidCode};
pub use confirm::{ApprovedChallenge, ConfirmError, ConfirmRequest, RepeatedConfirmation};
pub use start::{StartError, StartRequest, StartedChallenge};
pub use twilio::{TIMEOUTS, TwilioProbeError, probe_twilio};

use crate::clock::Timestamp;
pub use crate::config::Channel;
use crate::config::{OtpConfig, OtpLimits, TestNumber};
use crate::identity::Identity;
use crate::lifecycle::run_to_end;
use crate::phone::{InvalidPhone, Phone};
use crate::phone_region::Regions;
pub use crate::provider_http::Timeouts;
use crate::store::otp::{ChallengeOwner, PHONE_HASH};
use crate::store::{Pepper, Store, StoreError};
use crate::throttle::Throttle;
use provider::Provider;

/// The client to which a challenge is bound. No other client can confirm the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeBinding {
    /// An app, which may send the challenge's id or only the number.
    App,
    /// A browser, identified by the digest of its session, or of the pre-session that it has before sign-in.
    Browser([u8; 32]),
}

/// Whether the number was confirmed on this device before. A part of each rate limit is reserved for known devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Known,
    /// The device brought no proof of an earlier confirmation.
    Unknown,
}

/// Sends codes and checks them. Clones share their state.
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
    /// Limits how often the alarm about many wrong codes over all numbers is logged.
    wrong_code_alarm: Throttle,
}

/// The shortest time between two alarms about wrong codes.
const ALARM_INTERVAL: Duration = Duration::from_hours(1);

#[derive(Debug, thiserror::Error)]
pub enum OtpSetupError {
    #[error("the HTTP client of the provider of codes cannot be built")]
    Client(#[from] reqwest::Error),
    /// `OTP_PROVIDER=supabase` without `IDENTITY=supabase`, which the configuration refuses.
    #[error("Supabase sends no codes for a backend that issues its own identities")]
    NoSupabase,
}

impl Otp {
    /// `identity` also sends the codes if the provider is Supabase.
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
            wrong_code_alarm: Throttle::new(ALARM_INTERVAL),
        })))
    }

    /// Parses a typed number, which has to belong to a served region or be a test number.
    pub fn parse_phone(&self, text: &str) -> Result<Phone, InvalidPhone> {
        let parsed = Phone::parse_separated(text);
        match parsed.filter(|phone| self.0.test_number(phone).is_some()) {
            Some(phone) => Ok(phone),
            None => Phone::parse_typed(text, &self.0.regions),
        }
    }

    /// The channel with this name, or the first configured channel if no name is given. `None` if the named
    /// channel is not configured.
    pub fn channel(&self, named: Option<&str>) -> Option<Channel> {
        let mut configured = self.0.channels.iter().copied();
        match named {
            None => configured.next(),
            Some(name) => configured.find(|channel| channel.into_str() == name),
        }
    }

    /// The configured channels by which codes are sent. The first is the default.
    pub fn channels(&self) -> &[Channel] {
        &self.0.channels
    }

    /// Begins a challenge and sends a code, unless an earlier code of the number is still valid and can be shared.
    pub async fn start(
        &self,
        request: &StartRequest,
        now: Timestamp,
    ) -> Result<StartedChallenge, StartError> {
        let (inner, request) = (Arc::clone(&self.0), request.clone());
        // If a disconnect could stop this, a code could be sent and never stored. Only the end of the process can stop
        // it; another replica can then serve the client at once.
        let work = run_to_end(async move { inner.start(&request, now).await });
        work.await
            .unwrap_or(Err(StartError::Unavailable { retry_after: 1 }))
    }

    /// Finds the session that the same confirmation of the same browser opened or stepped up a few seconds ago.
    pub async fn find_repeated(
        &self,
        request: &ConfirmRequest,
        now: Timestamp,
    ) -> Result<Option<RepeatedConfirmation>, StoreError> {
        self.0.find_repeated(request, now).await
    }

    /// Checks a code. A right code stays approved for its client until a session is made of the approval.
    pub async fn confirm(
        &self,
        request: &ConfirmRequest,
        now: Timestamp,
    ) -> Result<ApprovedChallenge, ConfirmError> {
        let (inner, request) = (Arc::clone(&self.0), request.clone());
        // If a disconnect could stop this, the provider could approve a code and the approval be lost.
        let work = run_to_end(async move { inner.confirm(&request, now).await });
        work.await
            .unwrap_or(Err(ConfirmError::Unavailable { retry_after: 1 }))
    }
}

impl Inner {
    fn phone_hash(&self, phone: &Phone) -> [u8; 32] {
        self.pepper.hash(PHONE_HASH, phone.as_str())
    }

    /// The keyed hash of a code that this backend compares itself.
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

fn challenge_owner(binding: ChallengeBinding, session: Option<Uuid>) -> ChallengeOwner {
    let browser = match binding {
        ChallengeBinding::App => None,
        ChallengeBinding::Browser(digest) => Some(digest),
    };
    ChallengeOwner { browser, session }
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
    fn seconds_are_rounded_up_to_at_least_one() {
        let now = Timestamp::from_secs(5);
        let left = |micros| seconds_until(Timestamp::from_micros(micros), now);
        assert_eq!(left(5_000_001), 1);
        assert_eq!(left(65_000_000), 60);
        assert_eq!(left(65_000_001), 61);
        assert_eq!(left(0), 1);
    }

    #[test]
    fn channels_parse_only_from_their_exact_names() {
        for channel in [Channel::Sms, Channel::Call, Channel::WhatsApp] {
            assert_eq!(channel.into_str().parse(), Ok(channel));
        }
        assert!("email".parse::<Channel>().is_err());
        assert!("SMS".parse::<Channel>().is_err());
    }
}
