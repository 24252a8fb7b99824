//! Approvals: challenges whose code was confirmed. Within ten minutes, an approval opens one session or gives one
//! session step-up. So a person whose identity provider fails at first needs no second code.

use std::time::Duration;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{APPROVAL_TTL, AttemptRequest, CountedAttempt};
use crate::clock::Timestamp;
use crate::store::breaker::{self, Block};
use crate::store::execute::Execute;
use crate::store::limits::Limit;
use crate::store::otp::attempts::uncount_attempt;
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    /// Spends the code, so that no challenge can join or confirm it any more, and locks it, so that two challenges that
    /// share it are not both approved. The code is spent already if a simultaneous check found that the provider does
    /// not have it any more.
    SPEND_APPROVED_CODE {
        both: "update otp_codes set spent_at = coalesce(spent_at, $2) where id = $1",
    }
    APPROVE_CHALLENGE {
        both: "update otp_challenges set approved_at = $3, approved_code_hash = $4
               where id = $1 and not exists (
                 select 1 from otp_challenges other
                 where other.code_id = $2 and other.approved_at is not null)",
    }
    READ_APPROVAL {
        both: "select approved_code_hash from otp_challenges
               where id = $1 and approved_at > $2 and used_at is null",
    }
    CONSUME_APPROVAL {
        both: "update otp_challenges set used_at = $2, opened_session = $4
               where id = $1 and used_at is null and approved_at > $3",
    }
    /// A used approval with the session that it opened or stepped up.
    FIND_RECENTLY_USED {
        both: "select c.id, c.approved_code_hash, c.opened_session, s.token_counter
               from otp_challenges c join sessions s on s.id = c.opened_session
               where c.phone_hash = $1 and (c.id = $2 or $2 is null)
                 and (c.binding = $3 or c.opened_session = $4)
                 and c.used_at > $5 and s.ended_at is null
               order by c.used_at desc limit 1",
    }
}

/// A browser that sends a confirmation twice within this time, such as after a double click, gets the same answer
/// twice.
const REPEATED_WITHIN: Duration = Duration::from_secs(10);

/// An approval that was used a moment ago.
#[derive(Clone, sqlx::FromRow)]
pub struct RecentlyUsedApproval {
    /// The id of the challenge.
    pub id: Uuid,
    /// Keyed hash of the confirmed code.
    pub approved_code_hash: Vec<u8>,
    /// The session that the approval opened or stepped up.
    pub opened_session: Uuid,
    /// The counter of the session's newest refresh token.
    pub token_counter: i64,
}

/// The result of [`Store::approve_challenge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    Approved,
    /// The challenge was approved before, with the same code.
    AlreadyApproved,
    /// The code has approved another challenge, or the approval of this challenge was used or has expired.
    Refused,
}

impl Store {
    /// Approves a challenge whose code was right, and stores the keyed hash of the code to recognise a repeated
    /// confirmation. The code is spent, which ends other challenges that joined it. The attempt, which was counted
    /// against `limits` at `now`, is taken back. `block` is the block of the number, if breakers count its codes.
    pub async fn approve_challenge(
        &self,
        counted: &CountedAttempt,
        approved_code_hash: &[u8; 32],
        limits: &[Limit],
        block: Option<Block>,
        now: Timestamp,
    ) -> Result<Approval, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let (id, code_id) = (counted.challenge_id, counted.code_id);
        tx.execute(SPEND_APPROVED_CODE, (code_id, now)).await?;
        let params = (id, code_id, now, &approved_code_hash[..]);
        let approval = if tx.execute(APPROVE_CHALLENGE, params).await? == 1 {
            Approval::Approved
        } else {
            let params = (id, now.minus(APPROVAL_TTL));
            let stored_hash: Option<Vec<u8>> = tx.optional_value(READ_APPROVAL, params).await?;
            match stored_hash {
                Some(hash) if bool::from(hash.ct_eq(&approved_code_hash[..])) => {
                    Approval::AlreadyApproved
                }
                _ => Approval::Refused,
            }
        };
        uncount_attempt(&mut tx, counted.challenge_id, limits, now).await?;
        if let (Approval::Approved, Some(block)) = (approval, block) {
            breaker::count_confirmed(&mut tx, block, counted.code.reserved_at).await?;
        }
        tx.commit().await?;
        Ok(approval)
    }

    /// Uses an approval in a transaction of its own, for tests. Returns `false` if it cannot be used.
    pub async fn consume_approval(
        &self,
        challenge_id: Uuid,
        session_id: Uuid,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let consumed = consume_approval(&mut tx, challenge_id, session_id, now).await?;
        tx.commit().await?;
        Ok(consumed)
    }

    /// The approval that a browser used a moment ago, if `request` repeats the confirmation that used it.
    pub async fn find_recently_used(
        &self,
        request: &AttemptRequest,
        now: Timestamp,
    ) -> Result<Option<RecentlyUsedApproval>, StoreError> {
        let params = (
            &request.phone_hash[..],
            request.challenge_id,
            request.bound_to.browser_digest(),
            request.bound_to.session,
            now.minus(REPEATED_WITHIN),
        );
        self.pools
            .reads()
            .optional(FIND_RECENTLY_USED, params)
            .await
    }
}

/// Uses an approval inside the transaction that opens or steps up its session. Returns `false` if the approval is too
/// old, was used before, or does not exist.
pub(in crate::store) async fn consume_approval(
    tx: &mut Tx,
    challenge_id: Uuid,
    session_id: Uuid,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let params = (challenge_id, now, now.minus(APPROVAL_TTL), session_id);
    Ok(tx.execute(CONSUME_APPROVAL, params).await? == 1)
}
