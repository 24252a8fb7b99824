//! Giving a code back.

use std::net::IpAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::provider::TEST;
use super::provider_answer::Checked;
use super::{Binding, Code, Device, Inner, bound_to, seconds_until};
use crate::clock::Timestamp;
use crate::phone::Phone;
use crate::store::otp::{Approval, Attempt, AttemptAsk, Counted};
use crate::store::{Limit, StoreError};

/// Seconds after which a provider that is away is worth another try.
const TRY_AGAIN: u32 = 5;
/// Seconds after which a provider that has seen too many guesses has forgotten the code.
const FORGOTTEN_AFTER: u32 = 600;

/// A code that somebody gives.
#[derive(Clone, Copy, Debug)]
pub struct Confirm<'a> {
    /// The number it was sent to.
    pub phone: &'a Phone,
    /// The code.
    pub code: &'a Code,
    /// The challenge. Without one: the newest of this number that the client may confirm.
    pub challenge_id: Option<Uuid>,
    /// Who confirms.
    pub binding: Binding,
    /// The client's address.
    pub client: IpAddr,
    /// Whether the client confirmed this number before.
    pub device: Device,
    /// The session that is signed in, for step-up.
    pub session: Option<Uuid>,
}

/// The number is whoever's gave the code. One session may be made of it, by whoever uses the approval
/// up first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// The challenge whose approval it is.
    pub challenge_id: Uuid,
    /// Whether it was a test number's code, which proves nothing.
    pub is_test: bool,
    /// The session that asked for step-up; none for a sign-in.
    pub step_up: Option<Uuid>,
}

/// A confirmation that a browser has sent before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The session that it opened, or stepped up.
    pub session_id: Uuid,
    /// How often that session's refresh token was made.
    pub token_counter: i64,
}

/// The code proves nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfirmError {
    /// It is another one.
    #[error("wrong code")]
    Wrong {
        /// Attempts that are left.
        attempts_left: u32,
    },
    /// No code is waited for; it is used or too old. Ask for a new one.
    #[error("the code has expired or was used; ask for a new one")]
    Expired,
    /// Too many wrong ones.
    #[error("too many wrong codes")]
    TooManyAttempts {
        /// Seconds.
        retry_after: u32,
    },
    /// The provider cannot say.
    #[error("codes cannot be checked at the moment")]
    Unavailable {
        /// Seconds.
        retry_after: u32,
    },
    /// The database did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConfirmError {
    /// As a label.
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Wrong { .. } => "wrong",
            Self::Expired => "expired",
            Self::TooManyAttempts { .. } => "too_many_attempts",
            Self::Unavailable { .. } => "unavailable",
            Self::Store(_) => "store",
        }
    }
}

/// A [`Confirm`] that outlives its caller.
pub(super) struct OwnedConfirm {
    challenge_id: Option<Uuid>,
    binding: Binding,
    client: IpAddr,
    device: Device,
    session: Option<Uuid>,
}

impl Confirm<'_> {
    pub(super) fn without_values(self) -> OwnedConfirm {
        OwnedConfirm {
            challenge_id: self.challenge_id,
            binding: self.binding,
            client: self.client,
            device: self.device,
            session: self.session,
        }
    }
}

impl Inner {
    pub(super) async fn confirm(
        self: Arc<Self>,
        phone: &Phone,
        code: &Code,
        ask: OwnedConfirm,
        now: Timestamp,
    ) -> Result<Approved, ConfirmError> {
        let confirmed = self.try_confirm(phone, code, &ask, now).await;
        let outcome = confirmed
            .as_ref()
            .map_or_else(ConfirmError::outcome, |_| "approved");
        metrics::counter!("otp_confirms_total", "outcome" => outcome).increment(1);
        confirmed
    }

    async fn try_confirm(
        &self,
        phone: &Phone,
        code: &Code,
        ask: &OwnedConfirm,
        now: Timestamp,
    ) -> Result<Approved, ConfirmError> {
        let limits = self.attempt_limits(phone, ask.client, ask.device);
        let counted = self.count(phone, ask, &limits, now).await?;
        let id = counted.challenge_id;
        let approved_hash = self.approved_hash(id, code);
        if let Some(before) = &counted.approved_code_hash {
            if bool::from(before.ct_eq(&approved_hash[..])) {
                self.store.take_back_attempt(id, &limits, now).await?;
                return Ok(approved(&counted));
            }
            self.watch_wrong_codes(now).await;
            let attempts_left = counted.attempts_left;
            return Err(ConfirmError::Wrong { attempts_left });
        }
        match self.check(&counted, phone, code, ask.client).await {
            Checked::Right => {
                let block = (!counted.code.is_test).then(|| self.block(phone));
                let approval = self
                    .store
                    .approve_challenge(&counted, &approved_hash, &limits, block, now)
                    .await?;
                match approval {
                    Approval::Approved | Approval::Already => Ok(approved(&counted)),
                    Approval::Lost => Err(ConfirmError::Expired),
                }
            }
            Checked::Wrong => {
                self.watch_wrong_codes(now).await;
                let attempts_left = counted.attempts_left;
                Err(ConfirmError::Wrong { attempts_left })
            }
            Checked::Gone => {
                self.give_up(&counted, &limits, now).await?;
                Err(ConfirmError::Expired)
            }
            Checked::TooMany => {
                self.give_up(&counted, &limits, now).await?;
                let retry_after = FORGOTTEN_AFTER;
                Err(ConfirmError::TooManyAttempts { retry_after })
            }
            Checked::NotJudged { retry_after } => {
                self.store.take_back_attempt(id, &limits, now).await?;
                Err(ConfirmError::Unavailable { retry_after })
            }
            Checked::Unknown => Err(ConfirmError::Unavailable {
                retry_after: TRY_AGAIN,
            }),
        }
    }

    pub(super) async fn just_confirmed(
        &self,
        ask: Confirm<'_>,
        now: Timestamp,
    ) -> Result<Option<Repeated>, StoreError> {
        let attempt = AttemptAsk {
            phone_hash: self.phone_hash(ask.phone),
            challenge_id: ask.challenge_id,
            bound_to: bound_to(ask.binding, ask.session),
            is_known: ask.device == Device::Known,
        };
        let Some(used) = self.store.just_used(&attempt, now).await? else {
            return Ok(None);
        };
        let given = self.approved_hash(used.id, ask.code);
        let is_same = bool::from(used.approved_code_hash.ct_eq(&given[..]));
        Ok(is_same.then_some(Repeated {
            session_id: used.opened_session,
            token_counter: used.token_counter,
        }))
    }

    /// By which the code of an approved challenge is recognised.
    fn approved_hash(&self, challenge_id: Uuid, code: &Code) -> [u8; 32] {
        let text = format!("{challenge_id} {}", code.as_str());
        self.pepper.hash("otp-approved", &text)
    }

    async fn count(
        &self,
        phone: &Phone,
        ask: &OwnedConfirm,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<Counted, ConfirmError> {
        let attempt = AttemptAsk {
            phone_hash: self.phone_hash(phone),
            challenge_id: ask.challenge_id,
            bound_to: bound_to(ask.binding, ask.session),
            is_known: ask.device == Device::Known,
        };
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
    async fn watch_wrong_codes(&self, now: Timestamp) {
        let counted = self.store.counted(&self.wrong_in_all(), now).await;
        // What cannot be read now is read after the next wrong code.
        if let Ok(count) = counted
            && count >= i64::from(self.limits.wrong_per_hour)
            && self.alarm.is_due(now)
        {
            metrics::counter!("otp_wrong_code_alarms_total").increment(1);
            tracing::error!(
                wrong_codes = count,
                "unusually many wrong codes in this hour: codes are being guessed; see OTP_WRONG_PER_HOUR"
            );
        }
    }

    async fn check(
        &self,
        counted: &Counted,
        phone: &Phone,
        code: &Code,
        client: IpAddr,
    ) -> Checked {
        // A list of test numbers that has been taken away takes their codes with it.
        if counted.code.provider == TEST && self.test_number(phone).is_none() {
            return Checked::Gone;
        }
        if let Some(hash) = &counted.code.code_hash {
            let given = self.code_hash(counted.code_id, code.as_str());
            let is_right = bool::from(hash.ct_eq(&given[..]));
            return if is_right {
                Checked::Right
            } else {
                Checked::Wrong
            };
        }
        match &counted.code.provider_ref {
            Some(name) if counted.code.provider == self.provider.name() => {
                self.provider.check(name, phone, code, client).await
            }
            _ => Checked::Gone,
        }
    }

    /// The next start sends a new code. The attempt was none: there was nothing to guess.
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
