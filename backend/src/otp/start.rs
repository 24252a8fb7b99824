//! Asking for a code.

use std::net::IpAddr;

use uuid::Uuid;

use super::provider::{CODE_LENGTH, TEST};
use super::provider_answer::{SendFault, Sent};
use super::supabase;
use super::{ChallengeBinding, Channel, Device, Inner, bound_to, seconds_until, whole_seconds};
use crate::clock::Timestamp;
use crate::config::TestNumber;
use crate::ids::random_id;
use crate::phone::Phone;
use crate::store::otp::{
    Begun, CODE_TTL, ChallengeAsk, RESEND_AFTER, Refusal, SendGuard, SentCode,
};
use crate::store::{Area, Open, Since, StoreError};

/// Seconds after which a provider that is away is worth another try.
const TRY_AGAIN: u32 = 10;

/// A request for a code.
#[derive(Clone, Debug)]
pub struct Start {
    pub phone: Phone,
    pub channel: Channel,
    /// Who will confirm it.
    pub binding: ChallengeBinding,
    pub client: IpAddr,
    pub device: Device,
    /// The session that wants it for step-up; only that session can confirm it then.
    pub step_up: Option<Uuid>,
}

/// A challenge, whose code is there or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    pub challenge_id: Uuid,
    /// Lifetime of a code that is sent now. It is the same for a code that was sent earlier, so that a
    /// stranger who asks does not learn when the number's owner signed in.
    pub expires_in_secs: u32,
    /// When asking again may send again.
    pub resend_after_secs: u32,
    /// Whether a message was sent for this start.
    pub sent: bool,
    /// In digits.
    pub code_length: u32,
}

/// Why no challenge was begun. `retry_after` is in seconds.
#[derive(Clone, Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StartError {
    #[error("too many codes; try again later")]
    Limited { retry_after: u32 },
    /// Why is not said.
    #[error("no code can be sent to this number")]
    CannotSend,
    /// There is no such number, or it cannot receive messages.
    #[error("this number cannot receive codes")]
    InvalidPhone,
    /// The provider is away, or it is not known whether it sent.
    #[error("codes cannot be sent at the moment")]
    Unavailable { retry_after: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// Label of metrics and of the audit.
    pub fn outcome(&self) -> &'static str {
        self.into()
    }
}

impl Inner {
    pub(super) async fn start(&self, ask: &Start, now: Timestamp) -> Result<Started, StartError> {
        let started = self.try_start(ask, now).await;
        let outcome = match &started {
            Ok((_, outcome)) => outcome,
            Err(error) => error.outcome(),
        };
        metrics::counter!("otp_starts_total", "outcome" => outcome).increment(1);
        started.map(|(started, _)| started)
    }

    async fn try_start(
        &self,
        ask: &Start,
        now: Timestamp,
    ) -> Result<(Started, &'static str), StartError> {
        let phone = &ask.phone;
        let test = self.test_number(phone);
        let can_resend = test.is_some() || self.provider.can_resend();
        // For how long a start joins the code that is there, and when one sends again.
        let (joinable_for, resend_after) = if can_resend {
            (CODE_TTL, RESEND_AFTER)
        } else {
            (supabase::RESEND_AFTER, supabase::RESEND_AFTER)
        };
        let wish = ChallengeAsk {
            id: random_id(),
            code_id: random_id(),
            phone_hash: self.phone_hash(phone),
            channel: ask.channel.into_str(),
            provider: test.map_or(self.provider.into_str(), |_| TEST),
            is_test: test.is_some(),
            joinable_for,
            can_resend,
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
            return Err(limited("locked", until, now));
        }
        let (sent, outcome) = match self.store.begin_challenge(&wish, &guard, now).await? {
            Begun::Send => {
                self.send(test, ask, &wish, &guard, now).await?;
                (true, "sent")
            }
            Begun::SendAgain(code_id) => {
                if self.send_again(test, ask, code_id, &guard, now).await? {
                    (true, "sent_again")
                } else {
                    (false, "joined")
                }
            }
            Begun::Joined => (false, "joined"),
            Begun::Limited { scope, until } => return Err(limited(scope, until, now)),
            Begun::Cut(open) => return Err(cut_off(open, now)),
        };
        let started = Started {
            challenge_id: wish.id,
            expires_in_secs: whole_seconds(CODE_TTL),
            resend_after_secs: whole_seconds(resend_after),
            sent,
            code_length: test.map_or(CODE_LENGTH, TestNumber::code_length),
        };
        Ok((started, outcome))
    }

    /// Sends the code that was reserved. If the process dies in here the reservation dies a minute after
    /// it was made, and the next start sends.
    async fn send(
        &self,
        test: Option<&TestNumber>,
        ask: &Start,
        wish: &ChallengeAsk,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<(), StartError> {
        let sent = match self.ask_provider(test, ask, wish.code_id).await {
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
        test: Option<&TestNumber>,
        ask: &Start,
        code_id: Uuid,
    ) -> Result<SentCode, SendFault> {
        let sent = if let Some(test) = test {
            Sent::Known(test.code.clone())
        } else {
            let provider = &self.provider;
            provider.send(&ask.phone, ask.channel, ask.client).await?
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
        test: Option<&TestNumber>,
        ask: &Start,
        code_id: Uuid,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<bool, StartError> {
        let sent = match self.ask_provider(test, ask, code_id).await {
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
    /// against it and against the client, who could ask about numbers without end otherwise. While the
    /// provider is away for all, no number's few codes are used up, only the client's many asks. Where it is
    /// not certain that nothing was sent the code is given up, but paid.
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

fn cut_off(open: Open, now: Timestamp) -> StartError {
    let area = open.area.into_str();
    if open.since == Since::Now {
        metrics::counter!("otp_breaker_open_total", "scope" => area).increment(1);
        // The prefix or country is not logged: a prefix tells half of the number.
        tracing::warn!(
            area,
            "hardly any of the codes sent there were confirmed; no more are sent for an hour"
        );
    }
    let scope = match open.area {
        Area::Prefix => "breaker_prefix",
        Area::Country => "breaker_country",
    };
    limited(scope, open.until, now)
}

fn limited(scope: &'static str, until: Timestamp, now: Timestamp) -> StartError {
    metrics::counter!("otp_limited_total", "scope" => scope).increment(1);
    let retry_after = seconds_until(until, now);
    StartError::Limited { retry_after }
}
