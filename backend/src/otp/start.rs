//! Asking for a code.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::provider::TEST;
use super::provider_answer::{SendFault, Sent};
use super::{Binding, Channel, Device, Inner, bound_to, seconds_until};
use crate::clock::Timestamp;
use crate::config::TestNumber;
use crate::ids::random_id;
use crate::phone::Phone;
use crate::store::otp::{
    Begun, CODE_TTL, ChallengeAsk, RESEND_AFTER, Refusal, SendGuard, SentCode,
};
use crate::store::{Open, Since, StoreError};

/// Seconds after which a provider that is away is worth another try.
const TRY_AGAIN: u32 = 10;

/// A wish for a code.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Where to.
    pub phone: &'a Phone,
    /// How.
    pub channel: Channel,
    /// Who will confirm it.
    pub binding: Binding,
    /// The client's address.
    pub client: IpAddr,
    /// Whether the client confirmed this number before.
    pub device: Device,
    /// The session that wants it for step-up; only that session can confirm it then.
    pub step_up: Option<Uuid>,
}

/// A code is there, or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Names this challenge.
    pub challenge_id: Uuid,
    /// Lifetime of a code that is sent now. It is the same for a code that was sent earlier, so that a
    /// stranger who asks does not learn when the number's owner signed in.
    pub expires_in_secs: u32,
    /// When asking again may send again.
    pub resend_after_secs: u32,
    /// Whether a message was sent for this start.
    pub sent: bool,
    /// How many digits it has.
    pub code_length: u32,
}

/// No challenge was begun.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// Too many codes were asked for.
    #[error("too many codes; try again later")]
    Limited {
        /// Seconds.
        retry_after: u32,
    },
    /// This number gets none. Why is not said.
    #[error("no code can be sent to this number")]
    CannotSend,
    /// There is no such number, or it cannot receive messages.
    #[error("this number cannot receive codes")]
    InvalidPhone,
    /// The provider is away, or nobody knows whether it sent.
    #[error("codes cannot be sent at the moment")]
    Unavailable {
        /// Seconds.
        retry_after: u32,
    },
    /// The database did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// As a label.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Limited { .. } => "limited",
            Self::CannotSend => "cannot_send",
            Self::InvalidPhone => "invalid_phone",
            Self::Unavailable { .. } => "unavailable",
            Self::Store(_) => "store",
        }
    }
}

/// A [`Start`] that outlives its caller.
pub(super) struct OwnedStart {
    channel: Channel,
    binding: Binding,
    client: IpAddr,
    device: Device,
    step_up: Option<Uuid>,
}

impl Start<'_> {
    pub(super) fn without_phone(self) -> OwnedStart {
        OwnedStart {
            channel: self.channel,
            binding: self.binding,
            client: self.client,
            device: self.device,
            step_up: self.step_up,
        }
    }
}

impl Inner {
    pub(super) async fn start(
        self: Arc<Self>,
        phone: &Phone,
        ask: OwnedStart,
        now: Timestamp,
    ) -> Result<Started, StartError> {
        let started = self.try_start(phone, &ask, now).await;
        let outcome = match &started {
            Ok((_, outcome)) => outcome,
            Err(error) => error.outcome(),
        };
        metrics::counter!("otp_starts_total", "outcome" => outcome).increment(1);
        started.map(|(started, _)| started)
    }

    async fn try_start(
        &self,
        phone: &Phone,
        ask: &OwnedStart,
        now: Timestamp,
    ) -> Result<(Started, &'static str), StartError> {
        let test = self.test_number(phone);
        let joinable_for = test.map_or(self.provider.resend_after(), |_| CODE_TTL);
        let wish = ChallengeAsk {
            id: random_id(),
            code_id: random_id(),
            phone_hash: self.phone_hash(phone),
            channel: ask.channel.as_str(),
            provider: test.map_or(self.provider.name(), |_| TEST),
            is_test: test.is_some(),
            joinable_for,
            can_resend: test.is_some() || self.provider.can_resend(),
            bound_to: bound_to(ask.binding, ask.step_up),
        };
        let guard = match test {
            // Nothing is sent, so nothing is spent.
            Some(_) => SendGuard::default(),
            None => self.send_guard(phone, ask.client, ask.device),
        };
        // A number that may not be tried any more is told so before a message is paid for.
        let tries = self.attempt_limits(phone, ask.client, ask.device);
        if let Some(until) = self.store.full_until(&tries, now).await? {
            metrics::counter!("otp_limited_total", "scope" => "locked").increment(1);
            let retry_after = seconds_until(until, now);
            return Err(StartError::Limited { retry_after });
        }
        let (sent, outcome) = match self.store.begin_challenge(&wish, &guard, now).await? {
            Begun::Send => {
                self.send(phone, test, ask, &wish, &guard, now).await?;
                (true, "sent")
            }
            Begun::SendAgain(code_id) => {
                if self
                    .send_again(phone, test, ask, code_id, &guard, now)
                    .await?
                {
                    (true, "sent_again")
                } else {
                    (false, "joined")
                }
            }
            Begun::Joined => (false, "joined"),
            Begun::Limited { scope, until } => {
                metrics::counter!("otp_limited_total", "scope" => scope).increment(1);
                let retry_after = seconds_until(until, now);
                return Err(StartError::Limited { retry_after });
            }
            Begun::Cut(open) => return Err(cut_off(open, now)),
        };
        let started = Started {
            challenge_id: wish.id,
            expires_in_secs: whole_seconds(CODE_TTL),
            resend_after_secs: whole_seconds(if wish.can_resend {
                RESEND_AFTER
            } else {
                joinable_for
            }),
            sent,
            code_length: test.map_or(self.provider.code_length(), TestNumber::code_length),
        };
        Ok((started, outcome))
    }

    /// Sends the code that was reserved. If the process dies in here the reservation dies a minute after
    /// it was made, and the next start sends.
    async fn send(
        &self,
        phone: &Phone,
        test: Option<&TestNumber>,
        ask: &OwnedStart,
        wish: &ChallengeAsk,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<(), StartError> {
        let sent = match self.ask_provider(phone, test, ask, wish.code_id).await {
            Ok(sent) => sent,
            Err(fault) => return Err(self.not_sent(fault, wish, guard, now).await?),
        };
        if !self.store.note_code_sent(wish.code_id, &sent, now).await? {
            return Err(StartError::Unavailable {
                retry_after: TRY_AGAIN,
            });
        }
        Ok(())
    }

    /// Has the provider send a code; a test number's is known without.
    async fn ask_provider(
        &self,
        phone: &Phone,
        test: Option<&TestNumber>,
        ask: &OwnedStart,
        code_id: Uuid,
    ) -> Result<SentCode, SendFault> {
        let sent = match test {
            Some(test) => Sent::Known(test.code.clone()),
            None => self.provider.send(phone, ask.channel, ask.client).await?,
        };
        Ok(match sent {
            Sent::Known(code) => SentCode {
                provider_ref: None,
                code_hash: Some(self.code_hash(code_id, &code)),
            },
            Sent::Named(name) => SentCode {
                provider_ref: Some(name),
                code_hash: None,
            },
        })
    }

    /// Sends a code that lives once more; tells whether it was sent. What failed was no message, so it is
    /// not paid for; the code lives on as it is.
    async fn send_again(
        &self,
        phone: &Phone,
        test: Option<&TestNumber>,
        ask: &OwnedStart,
        code_id: Uuid,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<bool, StartError> {
        let sent = match self.ask_provider(phone, test, ask, code_id).await {
            Ok(sent) => sent,
            Err(SendFault::Unknown | SendFault::Misdirected) => return Ok(false),
            Err(_) => {
                self.store.put_back(&guard.paid, now).await?;
                return Ok(false);
            }
        };
        self.store.note_code_resent(code_id, &sent).await?;
        Ok(true)
    }

    /// Where nothing was sent nothing is paid, but the provider was asked: answers about the number count
    /// against it and against the client, lest somebody asks about numbers without end. While the
    /// provider is away for everybody nobody's few codes are used up, only the client's many asks. Where
    /// it is not certain that nothing was sent the code is given up, but paid.
    async fn not_sent(
        &self,
        fault: SendFault,
        wish: &ChallengeAsk,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<StartError, StoreError> {
        let refusal = match fault {
            SendFault::Unknown | SendFault::Misdirected => None,
            SendFault::InvalidPhone | SendFault::CannotSend | SendFault::Busy { .. } => {
                Some(Refusal::Answered)
            }
            SendFault::Overloaded { .. } | SendFault::Away => Some(Refusal::Unanswered),
        };
        match refusal {
            None => self.store.spend_code(wish.code_id, now).await?,
            Some(refusal) => {
                self.store
                    .note_code_refused(wish.code_id, guard, refusal, now)
                    .await?;
            }
        }
        Ok(match fault {
            SendFault::InvalidPhone => StartError::InvalidPhone,
            SendFault::CannotSend | SendFault::Misdirected => StartError::CannotSend,
            SendFault::Busy { retry_after } | SendFault::Overloaded { retry_after } => {
                StartError::Limited { retry_after }
            }
            SendFault::Away | SendFault::Unknown => StartError::Unavailable {
                retry_after: TRY_AGAIN,
            },
        })
    }
}

fn whole_seconds(span: Duration) -> u32 {
    u32::try_from(span.as_secs()).unwrap_or(u32::MAX)
}

fn cut_off(open: Open, now: Timestamp) -> StartError {
    let area = open.area.as_str();
    if open.since == Since::Now {
        metrics::counter!("otp_breaker_open_total", "scope" => area).increment(1);
        // Which prefix or country it is stays unsaid: with a prefix the number is half told.
        tracing::warn!(
            area,
            "hardly any of the codes sent there were confirmed; no more are sent for an hour"
        );
    }
    let scope = match open.area {
        crate::store::Area::Prefix => "breaker_prefix",
        crate::store::Area::Country => "breaker_country",
    };
    metrics::counter!("otp_limited_total", "scope" => scope).increment(1);
    let retry_after = seconds_until(open.until, now);
    StartError::Limited { retry_after }
}
