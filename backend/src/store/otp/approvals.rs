//! Codes that were right: each opens one session, within ten minutes, also if the identity provider
//! has to be asked twice for it.

use std::time::Duration;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{APPROVAL_TTL, AttemptAsk, Counted};
use crate::clock::Timestamp;
use crate::store::breaker::{self, Block};
use crate::store::execute::Execute;
use crate::store::limits::Limit;
use crate::store::otp::attempts::uncount;
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    /// Locks the code, so that two challenges that share it are not both approved. One that a
    /// simultaneous check found gone at the provider is spent already.
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
    /// What was confirmed a moment ago in the same browser, and the session that it opened or stepped up.
    FIND_JUST_USED {
        both: "select c.id, c.approved_code_hash, c.opened_session, s.token_counter
               from otp_challenges c join sessions s on s.id = c.opened_session
               where c.phone_hash = $1 and (c.id = $2 or $2 is null)
                 and (c.binding = $3 or c.opened_session = $4)
                 and c.used_at > $5 and s.ended_at is null
               order by c.used_at desc limit 1",
    }
}

/// A browser that sends a confirmation again within this time, by a double click, gets the same answer.
const REPEATED_WITHIN: Duration = Duration::from_secs(10);

/// A challenge whose approval was used up a moment ago.
#[derive(Clone, sqlx::FromRow)]
pub struct JustUsed {
    pub id: Uuid,
    /// Keyed.
    pub approved_code_hash: Vec<u8>,
    /// The session that it opened, or stepped up.
    pub opened_session: Uuid,
    /// Of that session's newest refresh token.
    pub token_counter: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    Approved,
    /// The challenge was approved before, with the same code.
    Already,
    /// The code has served another challenge, or this one's session is made.
    Lost,
}

impl Store {
    /// Approves the challenge of a right code, whose keyed hash is kept to recognise it again. The code
    /// is spent, so that other challenges that joined it are over; the attempt is taken back.
    pub async fn approve_challenge(
        &self,
        counted: &Counted,
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
            let before: Option<Vec<u8>> = tx.optional_value(READ_APPROVAL, params).await?;
            match before {
                Some(hash) if bool::from(hash.ct_eq(&approved_code_hash[..])) => Approval::Already,
                _ => Approval::Lost,
            }
        };
        uncount(&mut tx, counted.challenge_id, limits, now).await?;
        if let (Approval::Approved, Some(block)) = (approval, block) {
            breaker::count_confirmed(&mut tx, block, counted.code.reserved_at).await?;
        }
        tx.commit().await?;
        Ok(approval)
    }

    /// Uses up an approval in a transaction of its own.
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

    /// The approval that a browser used up a moment ago, for a request that it sent twice.
    pub async fn just_used(
        &self,
        ask: &AttemptAsk,
        now: Timestamp,
    ) -> Result<Option<JustUsed>, StoreError> {
        let params = (
            &ask.phone_hash[..],
            ask.challenge_id,
            ask.bound_to.browser_digest(),
            ask.bound_to.session,
            now.minus(REPEATED_WITHIN),
        );
        self.pools.reads().optional(FIND_JUST_USED, params).await
    }
}

/// Uses up an approval, inside the transaction that makes its one session. `false` if it is too old, was
/// used before, or never was.
pub(in crate::store) async fn consume_approval(
    tx: &mut Tx,
    challenge_id: Uuid,
    session_id: Uuid,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let params = (challenge_id, now, now.minus(APPROVAL_TTL), session_id);
    Ok(tx.execute(CONSUME_APPROVAL, params).await? == 1)
}
