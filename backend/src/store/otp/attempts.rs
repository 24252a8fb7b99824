//! Attempts at a code. An attempt is counted before the code is compared, and taken back if the code was right.

use std::fmt;

use uuid::Uuid;

use super::{ChallengeOwner, MAX_ATTEMPTS};
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::limits::{self, Limit, LimitResult};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

/// So many checks of a code are reserved for the client that requested the code. Equally many attempts at a challenge
/// are reserved for callers that know more than the phone number.
const RESERVED_ATTEMPTS: i32 = 2;

statements! {
    /// The challenge of the number that the caller may confirm: the named one, or else the newest. A challenge of the
    /// caller's session is preferred to one that a stranger could have begun. A challenge with attempts left is
    /// preferred to one whose attempts a stranger has used up. For a known device, the challenge for which the code
    /// was sent comes first. An approved challenge is found while its approval lasts.
    FIND_CHALLENGE {
        both: "select c.id, c.code_id, k.expires_at from otp_challenges c join otp_codes k on k.id = c.code_id
               where c.phone_hash = $1 and (c.id = $2 or $2 is null)
                 and (c.session_id = $4
                   or (c.session_id is null and (c.binding = $3 or (c.binding is null and $3 is null))))
                 and ((c.approved_at > $6 and c.used_at is null)
                   or (c.approved_at is null and c.expires_at > $5 and k.expires_at > $5
                     and k.spent_at is null and k.sent_at is not null))
               order by c.session_id is null, c.attempts >= $7,
                 case when $8 and c.created_at = k.reserved_at then 0 else 1 end,
                 c.created_at desc, c.id desc limit 1",
    }
    /// A provider checks a code a limited number of times. Some checks are reserved for the challenge that the
    /// code was sent for, and for other challenges of the same browser or session, so that a stranger who joins
    /// the code cannot use all checks. Codes that this backend checks have no such limit.
    COUNT_CHECK {
        both: "update otp_codes set checks = checks + 1
               where id = $1 and (provider_ref is null or checks < $3 or (checks < $4 and exists (
                 select 1 from otp_challenges c join otp_challenges began on began.code_id = c.code_id
                 where c.id = $2 and began.created_at = otp_codes.reserved_at
                   and (c.id = began.id or c.binding = began.binding
                     or c.session_id = began.session_id))))",
    }
    UNCOUNT_CHECK {
        both: "update otp_codes set checks = checks - 1
               where checks > 0 and id = (select code_id from otp_challenges where id = $1)",
    }
    COUNT_ATTEMPT {
        both: "update otp_challenges set attempts = attempts + 1 where id = $1 and attempts < $2
               returning session_id, attempts, approved_code_hash",
    }
    UNCOUNT_ATTEMPT {
        both: "update otp_challenges set attempts = attempts - 1 where id = $1 and attempts > 0",
    }
    READ_CODE {
        both: "select provider, provider_ref, code_hash, is_test, reserved_at from otp_codes where id = $1",
    }
}

/// A confirmation that is to be counted as an attempt.
#[derive(Clone, Debug)]
pub struct AttemptRequest {
    /// Keyed hash of the number.
    pub phone_hash: [u8; 32],
    /// The challenge that the caller names, if any.
    pub challenge_id: Option<Uuid>,
    pub bound_to: ChallengeOwner,
    /// Whether the caller has proved that the number was confirmed on this device before.
    pub is_known_device: bool,
}

impl AttemptRequest {
    /// Whether the caller knows more than the number, which a stranger may know too.
    fn knows_more_than_the_number(&self) -> bool {
        self.challenge_id.is_some()
            || self.is_known_device
            || self.bound_to.browser.is_some()
            || self.bound_to.session.is_some()
    }

    fn max_attempts(&self) -> i32 {
        let max = i32::try_from(MAX_ATTEMPTS).expect("the maximum is small");
        if self.knows_more_than_the_number() {
            max
        } else {
            max - RESERVED_ATTEMPTS
        }
    }
}

/// The result of [`Store::begin_attempt`].
#[derive(Clone, Debug)]
pub enum Attempt {
    /// The code may be compared; the attempt is counted.
    Counted(Box<CountedAttempt>),
    /// The caller may confirm no challenge of the number.
    NoChallenge,
    /// The challenge has no attempts left, or its code no checks, until the code expires.
    Exhausted { until: Timestamp },
    /// A limit of this scope is exceeded.
    Limited {
        scope: &'static str,
        until: Timestamp,
    },
}

/// The challenge against which an attempt was counted.
#[derive(Clone)]
pub struct CountedAttempt {
    pub challenge_id: Uuid,
    /// The session that requested a step-up.
    pub session_id: Option<Uuid>,
    pub code_id: Uuid,
    pub code: CodeRow,
    /// Keyed hash of the right code, if the challenge is already approved.
    pub approved_code_hash: Option<Vec<u8>>,
    pub attempts_left: u32,
}

/// What is known about a code that was sent.
#[derive(Clone, sqlx::FromRow)]
pub struct CodeRow {
    pub provider: String,
    /// The provider's id of the code.
    pub provider_ref: Option<String>,
    /// Keyed hash; `None` for a code that the provider checks.
    pub code_hash: Option<Vec<u8>>,
    /// Whether the code is for a test number.
    pub is_test: bool,
    /// When the row was written, before the provider was asked to send the code.
    pub reserved_at: Timestamp,
}

/// Shows no hash of a code: with the key of the hash, a short code can be found from it.
impl fmt::Debug for CountedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedAttempt")
            .field("challenge_id", &self.challenge_id)
            .field("provider", &self.code.provider)
            .field("attempts_left", &self.attempts_left)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Counts an attempt against its challenge and against all of `limits`, or against none.
    pub async fn begin_attempt(
        &self,
        request: &AttemptRequest,
        limits: &[Limit],
        now: Timestamp,
    ) -> Result<Attempt, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let attempt = count_attempt(&mut tx, request, limits, now).await?;
        if let Attempt::Counted(_) = attempt {
            tx.commit().await?;
        }
        Ok(attempt)
    }

    /// Takes back an attempt that was counted at `counted_at`, because the code was right or was never checked.
    pub async fn take_back_attempt(
        &self,
        challenge_id: Uuid,
        limits: &[Limit],
        counted_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        uncount_attempt(&mut tx, challenge_id, limits, counted_at).await?;
        tx.commit().await
    }
}

/// [`Store::take_back_attempt`] inside a transaction.
pub(super) async fn uncount_attempt(
    tx: &mut Tx,
    challenge_id: Uuid,
    limits: &[Limit],
    counted_at: Timestamp,
) -> Result<(), StoreError> {
    for statement in [UNCOUNT_CHECK, UNCOUNT_ATTEMPT] {
        tx.execute(statement, (challenge_id,)).await?;
    }
    limits::uncount_event(tx, limits, counted_at).await
}

/// [`Store::begin_attempt`] inside a transaction, which has to be rolled back unless the attempt was counted.
async fn count_attempt(
    tx: &mut Tx,
    request: &AttemptRequest,
    limits: &[Limit],
    now: Timestamp,
) -> Result<Attempt, StoreError> {
    let max_attempts = request.max_attempts();
    let params = (
        &request.phone_hash[..],
        request.challenge_id,
        request.bound_to.browser_digest(),
        request.bound_to.session,
        now,
        now.minus(super::APPROVAL_TTL),
        max_attempts,
        request.is_known_device,
    );
    let found: Option<(Uuid, Uuid, Timestamp)> = tx.optional(FIND_CHALLENGE, params).await?;
    let Some((challenge_id, code_id, until)) = found else {
        return Ok(Attempt::NoChallenge);
    };
    let unreserved = i32::try_from(MAX_ATTEMPTS).expect("the maximum is small") - RESERVED_ATTEMPTS;
    let params = (code_id, challenge_id, unreserved, max_attempts);
    if tx.execute(COUNT_CHECK, params).await? == 0 {
        return Ok(Attempt::Exhausted { until });
    }
    let counted: Option<(Option<Uuid>, i32, Option<Vec<u8>>)> = tx
        .optional(COUNT_ATTEMPT, (challenge_id, max_attempts))
        .await?;
    let Some((session_id, attempts, approved_code_hash)) = counted else {
        return Ok(Attempt::Exhausted { until });
    };
    let left = match limits::count_event(tx, limits, now).await? {
        LimitResult::Counted { left } => left,
        LimitResult::Exceeded { scope, until } => return Ok(Attempt::Limited { scope, until }),
    };
    Ok(Attempt::Counted(Box::new(CountedAttempt {
        challenge_id,
        session_id,
        code_id,
        code: tx.one(READ_CODE, (code_id,)).await?,
        approved_code_hash,
        attempts_left: u32::try_from(max_attempts - attempts)
            .unwrap_or(0)
            .min(left),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_hash_of_a_code() {
        let counted = CountedAttempt {
            challenge_id: Uuid::from_u128(1),
            session_id: None,
            code_id: Uuid::from_u128(2),
            code: CodeRow {
                provider: "console".to_owned(),
                provider_ref: Some("VE77".to_owned()),
                code_hash: Some(vec![77; 32]),
                is_test: false,
                reserved_at: Timestamp::from_secs(0),
            },
            approved_code_hash: Some(vec![77; 32]),
            attempts_left: 4,
        };
        let shown = format!("{:?}", Attempt::Counted(Box::new(counted)));
        assert!(!shown.contains("77"), "{shown}");
        let sent = crate::store::otp::SentCode {
            provider_ref: None,
            code_hash: Some([77; 32]),
        };
        assert!(!format!("{sent:?}").contains("77"));
    }
}
