//! Begins a challenge: checks the rate limits, and sends a code or shares an earlier one.

use std::net::IpAddr;

use uuid::Uuid;

use super::provider::{CODE_LENGTH, TEST_PROVIDER};
use super::provider_answer::{IssuedCode, SendFault};
use super::supabase;
use super::{
    ChallengeBinding, Channel, Device, Inner, challenge_owner, seconds_until, whole_seconds,
};
use crate::clock::Timestamp;
use crate::config::TestNumber;
use crate::ids::random_id;
use crate::phone::Phone;
use crate::store::otp::{
    BeginResult, CODE_TTL, ChallengeRequest, RESEND_AFTER, SendGuard, SentCode, UnsentReason,
};
use crate::store::{Area, OpenBreaker, OpenedBy, StoreError};

/// When a client may try again after a failure of the provider.
const RETRY_AFTER_SECS: u32 = 10;

/// A client's request for a code.
#[derive(Clone, Debug)]
pub struct StartRequest {
    pub phone: Phone,
    pub channel: Channel,
    /// The only client that may confirm the challenge.
    pub binding: ChallengeBinding,
    pub client: IpAddr,
    pub device: Device,
    /// The session that asks for step-up. Only this session can then confirm the challenge.
    pub step_up: Option<Uuid>,
}

/// A challenge that was begun. Its code was sent, now or by an earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedChallenge {
    pub challenge_id: Uuid,
    /// The full lifetime of a code, even if the code was sent earlier. A stranger thus cannot find out when the
    /// number's owner requested a code.
    pub expires_in_secs: u32,
    /// Seconds after which another request may send a code.
    pub resend_after_secs: u32,
    /// Whether this request issued a code. Test numbers and the console issue codes without a message.
    pub sent: bool,
    /// Number of digits.
    pub code_length: u32,
}

/// Why no challenge was begun. `retry_after` is in seconds.
#[derive(Clone, Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum StartError {
    #[error("too many codes; try again later")]
    Limited { retry_after: u32 },
    /// The provider refuses this number. The client does not get the reason.
    #[error("no code can be sent to this number")]
    CannotSend,
    /// The number does not exist or cannot receive messages.
    #[error("this number cannot receive codes")]
    InvalidPhone,
    /// The provider cannot be reached, or its answer was lost or unclear.
    #[error("codes cannot be sent at the moment")]
    Unavailable { retry_after: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// The outcome label in metrics and in the audit log.
    pub fn outcome(&self) -> &'static str {
        self.into()
    }
}

impl Inner {
    pub(super) async fn start(
        &self,
        request: &StartRequest,
        now: Timestamp,
    ) -> Result<StartedChallenge, StartError> {
        let started = self.try_start(request, now).await;
        let outcome = match &started {
            Ok((_, outcome)) => outcome,
            Err(error) => error.outcome(),
        };
        metrics::counter!("otp_starts_total", "outcome" => outcome).increment(1);
        started.map(|(started, _)| started)
    }

    async fn try_start(
        &self,
        request: &StartRequest,
        now: Timestamp,
    ) -> Result<(StartedChallenge, &'static str), StartError> {
        let phone = &request.phone;
        let test = self.test_number(phone);
        let can_resend = test.is_some() || self.provider.can_resend();
        // During `joinable_for`, a new request shares the earlier code instead of sending another one.
        let (joinable_for, resend_after) = if can_resend {
            (CODE_TTL, RESEND_AFTER)
        } else {
            (supabase::RESEND_AFTER, supabase::RESEND_AFTER)
        };
        let challenge = ChallengeRequest {
            id: random_id(),
            code_id: random_id(),
            phone_hash: self.phone_hash(phone),
            channel: request.channel.into_str(),
            provider: test.map_or(self.provider.into_str(), |_| TEST_PROVIDER),
            is_test: test.is_some(),
            joinable_for,
            can_resend,
            bound_to: challenge_owner(request.binding, request.step_up),
        };
        let guard = match test {
            // A test number gets no message, so no sending limit applies.
            Some(_) => SendGuard::default(),
            None => self.send_guard(phone, request.client, request.device),
        };
        // A code that the number is not allowed to confirm now must not be paid for.
        let attempt_limits = self.attempt_limits(phone, request.client, request.device);
        if let Some(until) = self.store.exceeded_until(&attempt_limits, now).await? {
            return Err(limit_error("locked", until, now));
        }
        let (sent, outcome) = match self.store.begin_challenge(&challenge, &guard, now).await? {
            BeginResult::Send => {
                self.send(test, request, &challenge, &guard, now).await?;
                (true, "sent")
            }
            BeginResult::SendAgain(code_id) => {
                if self.send_again(test, request, code_id, &guard, now).await? {
                    (true, "sent_again")
                } else {
                    (false, "joined")
                }
            }
            BeginResult::Joined => (false, "joined"),
            BeginResult::Limited { scope, until } => return Err(limit_error(scope, until, now)),
            BeginResult::BreakerOpen(open) => return Err(breaker_error(open, now)),
        };
        let started = StartedChallenge {
            challenge_id: challenge.id,
            expires_in_secs: whole_seconds(CODE_TTL),
            resend_after_secs: whole_seconds(resend_after),
            sent,
            code_length: test.map_or(CODE_LENGTH, TestNumber::code_length),
        };
        Ok((started, outcome))
    }

    /// Sends the code for which the store has reserved a row. If the process dies meanwhile, the reservation expires a
    /// minute after it was made, and the next request sends a code.
    async fn send(
        &self,
        test: Option<&TestNumber>,
        request: &StartRequest,
        challenge: &ChallengeRequest,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<(), StartError> {
        let sent = match self.ask_provider(test, request, challenge.code_id).await {
            Ok(sent) => sent,
            Err(fault) => return Err(self.record_send_fault(fault, challenge, guard, now).await?),
        };
        if !self
            .store
            .note_code_sent(challenge.code_id, &sent, now)
            .await?
        {
            return Err(StartError::Unavailable {
                retry_after: RETRY_AFTER_SECS,
            });
        }
        Ok(())
    }

    /// Has the provider send a code. A test number's code is fixed and is not sent.
    async fn ask_provider(
        &self,
        test: Option<&TestNumber>,
        request: &StartRequest,
        code_id: Uuid,
    ) -> Result<SentCode, SendFault> {
        let sent = if let Some(test) = test {
            IssuedCode::CheckedHere(test.code.clone())
        } else {
            let provider = &self.provider;
            provider
                .send(&request.phone, request.channel, request.client)
                .await?
        };
        Ok(match sent {
            IssuedCode::CheckedHere(code) => SentCode {
                provider_ref: None,
                code_hash: Some(self.code_hash(code_id, &code)),
            },
            IssuedCode::CheckedByProvider(provider_ref) => SentCode {
                provider_ref: Some(provider_ref),
                code_hash: None,
            },
        })
    }

    /// Sends a live code a second time. Returns whether the provider accepted it. If certainly nothing was sent, the
    /// limits of paid messages do not count the code. The code stays valid in any case.
    async fn send_again(
        &self,
        test: Option<&TestNumber>,
        request: &StartRequest,
        code_id: Uuid,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<bool, StartError> {
        let sent = match self.ask_provider(test, request, code_id).await {
            Ok(sent) => sent,
            Err(SendFault::Unclear | SendFault::WrongRecipient) => return Ok(false),
            Err(_) => {
                self.store.uncount_event(&guard.paid, now).await?;
                return Ok(false);
            }
        };
        self.store.note_code_resent(code_id, &sent).await?;
        Ok(true)
    }

    /// Records that the reserved code was not sent.
    ///
    /// If certainly nothing was sent, the limits of paid messages do not count the code. A refusal of this number
    /// still counts against the number and the client, because a client could otherwise probe numbers without limit. A
    /// failure that has nothing to do with the number counts only as a request of the client. If the message may have
    /// been sent, the code is spent and every limit stays counted.
    async fn record_send_fault(
        &self,
        fault: SendFault,
        challenge: &ChallengeRequest,
        guard: &SendGuard,
        now: Timestamp,
    ) -> Result<StartError, StoreError> {
        let unsent_reason = match fault {
            SendFault::Unclear | SendFault::WrongRecipient => None,
            SendFault::InvalidPhone | SendFault::CannotSend | SendFault::NumberLimited { .. } => {
                Some(UnsentReason::NumberRefused)
            }
            SendFault::AccountLimited { .. } | SendFault::Unavailable => {
                Some(UnsentReason::ProviderFailed)
            }
        };
        match unsent_reason {
            None => self.store.spend_code(challenge.code_id, now).await?,
            Some(unsent_reason) => {
                self.store
                    .note_code_unsent(challenge.code_id, guard, unsent_reason, now)
                    .await?;
            }
        }
        Ok(match fault {
            SendFault::InvalidPhone => StartError::InvalidPhone,
            SendFault::CannotSend | SendFault::WrongRecipient => StartError::CannotSend,
            SendFault::NumberLimited { retry_after }
            | SendFault::AccountLimited { retry_after } => StartError::Limited { retry_after },
            SendFault::Unavailable | SendFault::Unclear => StartError::Unavailable {
                retry_after: RETRY_AFTER_SECS,
            },
        })
    }
}

/// Counts and logs the breaker if this request has opened it. Returns the error for the client.
fn breaker_error(open: OpenBreaker, now: Timestamp) -> StartError {
    let area = open.area.into_str();
    if open.opened_by == OpenedBy::ThisRequest {
        metrics::counter!("otp_breaker_open_total", "scope" => area).increment(1);
        // The prefix is not logged, because it is most of the number.
        tracing::warn!(
            area,
            "few codes sent to this prefix or country were confirmed; sending stops for an hour"
        );
    }
    let scope = match open.area {
        Area::Prefix => "breaker_prefix",
        Area::Country => "breaker_country",
    };
    limit_error(scope, open.until, now)
}

/// Counts the exceeded limit in the metrics. Returns the error for the client.
fn limit_error(scope: &'static str, until: Timestamp, now: Timestamp) -> StartError {
    metrics::counter!("otp_limited_total", "scope" => scope).increment(1);
    let retry_after = seconds_until(until, now);
    StartError::Limited { retry_after }
}
