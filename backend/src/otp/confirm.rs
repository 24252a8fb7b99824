//! Giving a code back.

use std::net::IpAddr;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::provider::TEST;
use super::provider_answer::CodeCheck;
use super::{ChallengeBinding, Code, Device, Inner, bound_to, seconds_until};
use crate::clock::Timestamp;
use crate::phone::Phone;
use crate::store::otp::{Approval, Attempt, AttemptAsk, Counted};
use crate::store::{Limit, StoreError};

/// Seconds after which a provider that is away is worth another try.
const TRY_AGAIN: u32 = 5;
/// Seconds after which a provider that has seen too many guesses has forgotten the code.
const FORGOTTEN_AFTER: u32 = 600;

/// A code that a client gives.
#[derive(Clone, Debug)]
pub struct Confirm {
    /// The number that it was sent to.
    pub phone: Phone,
    pub code: Code,
    /// Without one: the newest challenge of this number that the client may confirm.
    pub challenge_id: Option<Uuid>,
    /// Who confirms.
    pub binding: ChallengeBinding,
    pub client: IpAddr,
    pub device: Device,
    /// The session that is signed in, for step-up.
    pub session: Option<Uuid>,
}

/// The number belongs to the client that gave the code. One session may be made of it, by the request that
/// uses the approval up first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The challenge whose approval it is.
    pub challenge_id: Uuid,
    /// The code of a test number proves nothing.
    pub is_test: bool,
    /// The session that asked for step-up; `None` for a sign-in.
    pub step_up: Option<Uuid>,
}

/// A confirmation that a browser has sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The session that it opened, or stepped up.
    pub session_id: Uuid,
    /// The place of that session's newest refresh token.
    pub token_counter: i64,
}

/// Why the code proves nothing. `retry_after` is in seconds.
#[derive(Clone, Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ConfirmError {
    #[error("wrong code")]
    Wrong { attempts_left: u32 },
    /// There is no code to confirm; it is used or too old.
    #[error("the code has expired or was used; ask for a new one")]
    Expired,
    #[error("too many wrong codes")]
    TooManyAttempts { retry_after: u32 },
    /// The provider cannot say.
    #[error("codes cannot be checked at the moment")]
    Unavailable { retry_after: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConfirmError {
    /// Label of metrics and of the audit.
    pub fn outcome(&self) -> &'static str {
        self.into()
    }
}

impl Inner {
    pub(super) async fn confirm(
        &self,
        ask: &Confirm,
        now: Timestamp,
    ) -> Result<Approved, ConfirmError> {
        let confirmed = self.try_confirm(ask, now).await;
        let outcome = confirmed
            .as_ref()
            .map_or_else(ConfirmError::outcome, |_| "approved");
        metrics::counter!("otp_confirms_total", "outcome" => outcome).increment(1);
        confirmed
    }

    async fn try_confirm(&self, ask: &Confirm, now: Timestamp) -> Result<Approved, ConfirmError> {
        let limits = self.attempt_limits(&ask.phone, ask.client, ask.device);
        let counted = self.count(ask, &limits, now).await?;
        let id = counted.challenge_id;
        let approved_hash = self.approved_hash(id, &ask.code);
        if let Some(before) = &counted.approved_code_hash {
            if bool::from(before.ct_eq(&approved_hash[..])) {
                self.store.take_back_attempt(id, &limits, now).await?;
                return Ok(approved(&counted));
            }
            return Err(self.wrong(&counted, now).await);
        }
        match self.check(&counted, ask).await {
            CodeCheck::Right => {
                let block = (!counted.code.is_test).then(|| self.block(&ask.phone));
                let approval = self
                    .store
                    .approve_challenge(&counted, &approved_hash, &limits, block, now)
                    .await?;
                match approval {
                    Approval::Approved | Approval::Already => Ok(approved(&counted)),
                    Approval::Lost => Err(ConfirmError::Expired),
                }
            }
            CodeCheck::Wrong => Err(self.wrong(&counted, now).await),
            CodeCheck::Gone => {
                self.give_up(&counted, &limits, now).await?;
                Err(ConfirmError::Expired)
            }
            CodeCheck::TooMany => {
                self.give_up(&counted, &limits, now).await?;
                let retry_after = FORGOTTEN_AFTER;
                Err(ConfirmError::TooManyAttempts { retry_after })
            }
            CodeCheck::NotJudged { retry_after } => {
                self.store.take_back_attempt(id, &limits, now).await?;
                Err(ConfirmError::Unavailable { retry_after })
            }
            CodeCheck::Unknown => Err(ConfirmError::Unavailable {
                retry_after: TRY_AGAIN,
            }),
        }
    }

    pub(super) async fn just_confirmed(
        &self,
        ask: &Confirm,
        now: Timestamp,
    ) -> Result<Option<Repeated>, StoreError> {
        let used = self.store.just_used(&self.attempt(ask), now).await?;
        let Some(used) = used else {
            return Ok(None);
        };
        let given = self.approved_hash(used.id, &ask.code);
        let is_same = bool::from(used.approved_code_hash.ct_eq(&given[..]));
        Ok(is_same.then_some(Repeated {
            session_id: used.opened_session,
            token_counter: used.token_counter,
        }))
    }

    fn attempt(&self, ask: &Confirm) -> AttemptAsk {
        AttemptAsk {
            phone_hash: self.phone_hash(&ask.phone),
            challenge_id: ask.challenge_id,
            bound_to: bound_to(ask.binding, ask.session),
            is_known: ask.device == Device::Known,
        }
    }

    /// By which the code of an approved challenge is recognised.
    fn approved_hash(&self, challenge_id: Uuid, code: &Code) -> [u8; 32] {
        let text = format!("{challenge_id} {}", code.as_str());
        self.pepper.hash("otp-approved", &text)
    }

    async fn count(
        &self,
        ask: &Confirm,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<Counted, ConfirmError> {
        let attempt = self.attempt(ask);
        let until = match self.store.begin_attempt(&attempt, limits, now).await? {
            Attempt::Counted(counted) => return Ok(*counted),
            Attempt::NoChallenge => return Err(ConfirmError::Expired),
            Attempt::Exhausted { until } => until,
            Attempt::Limited { scope, until } => {
                metrics::counter!("otp_limited_total", "scope" => scope).increment(1);
                until
            }
        };
        let retry_after = seconds_until(until, now);
        Err(ConfirmError::TooManyAttempts { retry_after })
    }

    /// Wrong codes in all raise an alarm and refuse nothing: strangers could shut everybody out.
    async fn wrong(&self, counted: &Counted, now: Timestamp) -> ConfirmError {
        let attempts_left = counted.attempts_left;
        let in_all = self.store.counted(&self.wrong_in_all(), now).await;
        // What cannot be read now is read after the next wrong code.
        if let Ok(count) = in_all
            && count >= i64::from(self.limits.wrong_per_hour)
            && self.alarm.is_due(now)
        {
            metrics::counter!("otp_wrong_code_alarms_total").increment(1);
            tracing::error!(
                wrong_codes = count,
                "unusually many wrong codes in this hour: codes are being guessed; see OTP_WRONG_PER_HOUR"
            );
        }
        ConfirmError::Wrong { attempts_left }
    }

    async fn check(&self, counted: &Counted, ask: &Confirm) -> CodeCheck {
        let Confirm { phone, code, .. } = ask;
        // A list of test numbers that has been taken away takes their codes with it.
        if counted.code.provider == TEST && self.test_number(phone).is_none() {
            return CodeCheck::Gone;
        }
        if let Some(hash) = &counted.code.code_hash {
            let given = self.code_hash(counted.code_id, code.as_str());
            let is_right = bool::from(hash.ct_eq(&given[..]));
            return if is_right {
                CodeCheck::Right
            } else {
                CodeCheck::Wrong
            };
        }
        match &counted.code.provider_ref {
            Some(name) if counted.code.provider == self.provider.into_str() => {
                self.provider.check(name, phone, code, ask.client).await
            }
            _ => CodeCheck::Gone,
        }
    }

    /// The next start sends a new code. The attempt does not count: there was nothing to guess.
    async fn give_up(
        &self,
        counted: &Counted,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.spend_code(counted.code_id, now).await?;
        self.store
            .take_back_attempt(counted.challenge_id, limits, now)
            .await
    }
}

fn approved(counted: &Counted) -> Approved {
    Approved {
        challenge_id: counted.challenge_id,
        is_test: counted.code.is_test,
        step_up: counted.session_id,
    }
}
