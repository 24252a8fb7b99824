//! Confirms a challenge: counts the attempt and checks the code.

use std::net::IpAddr;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::provider::TEST_PROVIDER;
use super::provider_answer::CodeCheck;
use super::{ChallengeBinding, Code, Device, Inner, challenge_owner, seconds_until};
use crate::clock::Timestamp;
use crate::phone::Phone;
use crate::store::otp::{Approval, Attempt, AttemptRequest, CountedAttempt};
use crate::store::{Limit, StoreError};

/// When a client may try again after an unclear answer of the provider.
const RETRY_AFTER_SECS: u32 = 5;
/// A provider that has refused further checks of a code forgets the code within this time.
const PROVIDER_LOCKOUT_SECS: u32 = 600;

/// A client's request to confirm a code.
#[derive(Clone, Debug)]
pub struct ConfirmRequest {
    /// The number to which the code was sent.
    pub phone: Phone,
    pub code: Code,
    /// `None` stands for the newest challenge of this number that the client may confirm.
    pub challenge_id: Option<Uuid>,
    /// The client that confirms.
    pub binding: ChallengeBinding,
    pub client: IpAddr,
    pub device: Device,
    /// The client's live session, which a step-up requires.
    pub session: Option<Uuid>,
}

/// Proof that the client's person has the number. The approval serves for one session: only the first request
/// that uses it succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovedChallenge {
    pub challenge_id: Uuid,
    /// Whether the number is a test number, whose fixed code proves nothing.
    pub is_test: bool,
    /// The session that asked for step-up; `None` for a sign-in.
    pub step_up: Option<Uuid>,
}

/// The result of a confirmation that a browser now sends a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatedConfirmation {
    /// The session that the first confirmation opened or stepped up.
    pub session_id: Uuid,
    /// The counter of that session's newest refresh token.
    pub token_counter: i64,
}

/// Why a code was not approved. `retry_after` is in seconds.
#[derive(Clone, Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ConfirmError {
    #[error("wrong code")]
    Wrong { attempts_left: u32 },
    /// The client has no live challenge for this number, or the provider no longer knows the code.
    #[error("the code has expired or was used; ask for a new one")]
    Expired,
    #[error("too many wrong codes")]
    TooManyAttempts { retry_after: u32 },
    /// The provider did not give a clear answer.
    #[error("codes cannot be checked at the moment")]
    Unavailable { retry_after: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConfirmError {
    /// The outcome label in metrics and in the audit log.
    pub fn outcome(&self) -> &'static str {
        self.into()
    }
}

impl Inner {
    pub(super) async fn confirm(
        &self,
        request: &ConfirmRequest,
        now: Timestamp,
    ) -> Result<ApprovedChallenge, ConfirmError> {
        let confirmed = self.try_confirm(request, now).await;
        let outcome = confirmed
            .as_ref()
            .map_or_else(ConfirmError::outcome, |_| "approved");
        metrics::counter!("otp_confirms_total", "outcome" => outcome).increment(1);
        confirmed
    }

    async fn try_confirm(
        &self,
        request: &ConfirmRequest,
        now: Timestamp,
    ) -> Result<ApprovedChallenge, ConfirmError> {
        let limits = self.attempt_limits(&request.phone, request.client, request.device);
        let counted = self.count_attempt(request, &limits, now).await?;
        let id = counted.challenge_id;
        let approved_hash = self.approved_hash(id, &request.code);
        if let Some(stored_hash) = &counted.approved_code_hash {
            if bool::from(stored_hash.ct_eq(&approved_hash[..])) {
                self.store.take_back_attempt(id, &limits, now).await?;
                return Ok(approved_challenge(&counted));
            }
            return Err(self.wrong_code(&counted, now).await);
        }
        match self.check(&counted, request).await {
            CodeCheck::Right => {
                let block = (!counted.code.is_test).then(|| self.block(&request.phone));
                let approval = self
                    .store
                    .approve_challenge(&counted, &approved_hash, &limits, block, now)
                    .await?;
                match approval {
                    Approval::Approved | Approval::AlreadyApproved => {
                        Ok(approved_challenge(&counted))
                    }
                    Approval::Refused => Err(ConfirmError::Expired),
                }
            }
            CodeCheck::Wrong => Err(self.wrong_code(&counted, now).await),
            CodeCheck::Expired => {
                self.discard_code(&counted, &limits, now).await?;
                Err(ConfirmError::Expired)
            }
            CodeCheck::TooManyChecks => {
                self.discard_code(&counted, &limits, now).await?;
                let retry_after = PROVIDER_LOCKOUT_SECS;
                Err(ConfirmError::TooManyAttempts { retry_after })
            }
            CodeCheck::NotChecked { retry_after } => {
                self.store.take_back_attempt(id, &limits, now).await?;
                Err(ConfirmError::Unavailable { retry_after })
            }
            CodeCheck::Unclear => Err(ConfirmError::Unavailable {
                retry_after: RETRY_AFTER_SECS,
            }),
        }
    }

    pub(super) async fn find_repeated(
        &self,
        request: &ConfirmRequest,
        now: Timestamp,
    ) -> Result<Option<RepeatedConfirmation>, StoreError> {
        let used = self
            .store
            .find_recently_used(&self.attempt_request(request), now)
            .await?;
        let Some(used) = used else {
            return Ok(None);
        };
        let entered_hash = self.approved_hash(used.id, &request.code);
        let is_same = bool::from(used.approved_code_hash.ct_eq(&entered_hash[..]));
        Ok(is_same.then_some(RepeatedConfirmation {
            session_id: used.opened_session,
            token_counter: used.token_counter,
        }))
    }

    fn attempt_request(&self, request: &ConfirmRequest) -> AttemptRequest {
        AttemptRequest {
            phone_hash: self.phone_hash(&request.phone),
            challenge_id: request.challenge_id,
            bound_to: challenge_owner(request.binding, request.session),
            is_known_device: request.device == Device::Known,
        }
    }

    /// The keyed hash that recognises the right code again after the approval.
    fn approved_hash(&self, challenge_id: Uuid, code: &Code) -> [u8; 32] {
        let text = format!("{challenge_id} {}", code.as_str());
        self.pepper.hash("otp-approved", &text)
    }

    async fn count_attempt(
        &self,
        request: &ConfirmRequest,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<CountedAttempt, ConfirmError> {
        let attempt = self.attempt_request(request);
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

    /// The error for a wrong code. Also raises an alarm if the wrong codes over all numbers have reached their limit.
    /// No code is refused at that limit: otherwise strangers could block all sign-ins.
    async fn wrong_code(&self, counted: &CountedAttempt, now: Timestamp) -> ConfirmError {
        let attempts_left = counted.attempts_left;
        let total = self.store.event_count(&self.total_wrong_codes(), now).await;
        // If the count cannot be read, the next wrong code reads it again.
        if let Ok(count) = total
            && count >= i64::from(self.limits.wrong_per_hour)
            && self.wrong_code_alarm.take_turn(now)
        {
            metrics::counter!("otp_wrong_code_alarms_total").increment(1);
            tracing::error!(
                wrong_codes = count,
                "unusually many wrong codes in this hour: an attacker may be guessing; see OTP_WRONG_PER_HOUR"
            );
        }
        ConfirmError::Wrong { attempts_left }
    }

    /// Compares the entered code with the sent one, here or at the provider.
    async fn check(&self, counted: &CountedAttempt, request: &ConfirmRequest) -> CodeCheck {
        let ConfirmRequest { phone, code, .. } = request;
        // The number was removed from the test numbers after its code was issued.
        if counted.code.provider == TEST_PROVIDER && self.test_number(phone).is_none() {
            return CodeCheck::Expired;
        }
        if let Some(hash) = &counted.code.code_hash {
            let entered_hash = self.code_hash(counted.code_id, code.as_str());
            let is_right = bool::from(hash.ct_eq(&entered_hash[..]));
            return if is_right {
                CodeCheck::Right
            } else {
                CodeCheck::Wrong
            };
        }
        match &counted.code.provider_ref {
            Some(provider_ref) if counted.code.provider == self.provider.into_str() => {
                self.provider
                    .check(provider_ref, phone, code, request.client)
                    .await
            }
            // The configured provider cannot check a code of another provider.
            _ => CodeCheck::Expired,
        }
    }

    /// Marks a code that the provider no longer checks as spent, so that the next request sends a new one. The
    /// attempt does not count, because the provider compared nothing.
    async fn discard_code(
        &self,
        counted: &CountedAttempt,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.spend_code(counted.code_id, now).await?;
        self.store
            .take_back_attempt(counted.challenge_id, limits, now)
            .await
    }
}

fn approved_challenge(counted: &CountedAttempt) -> ApprovedChallenge {
    ApprovedChallenge {
        challenge_id: counted.challenge_id,
        is_test: counted.code.is_test,
        step_up: counted.session_id,
    }
}
