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

/// An approval that was used up a moment ago.
#[derive(Clone, sqlx::FromRow)]
pub struct JustUsed {
    /// The challenge.
    pub id: Uuid,
    /// Keyed hash of the code that was right.
    pub approved_code_hash: Vec<u8>,
    /// The session that it opened, or stepped up.
    pub opened_session: Uuid,
    /// How often that session's refresh token was made.
    pub token_counter: i64,
}

/// What an approval came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The challenge is approved.
    Approved,
    /// It was already, with the same code.
    Already,
    /// The code has served another challenge, or this one's session is made.
    Lost,
}

/// Whether an approval was there to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumed {
    /// It was, and is used up.
    Yes,
    /// It is too old, used, or never was.
    No,
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
        let approval = approve(&mut tx, counted, approved_code_hash, now).await?;
        uncount(&mut tx, counted.challenge_id, limits, now).await?;
        if let (Approval::Approved, Some(block)) = (approval, block) {
            breaker::count_confirmed(&mut tx, block, counted.reserved_at).await?;
        }
        tx.commit().await?;
        Ok(approval)
    }

    /// Uses up an approval outside any other transaction.
    pub async fn consume_approval(
        &self,
        challenge_id: Uuid,
        session_id: Uuid,
        now: Timestamp,
    ) -> Result<Consumed, StoreError> {
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
            ask.bound_to.browser.as_ref().map(|digest| &digest[..]),
            ask.bound_to.session,
            now.minus(REPEATED_WITHIN),
        );
        self.pools.reads().optional(FIND_JUST_USED, params).await
    }
}

async fn approve(
    tx: &mut Tx,
    counted: &Counted,
    approved_code_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Approval, StoreError> {
    let (id, code_id) = (counted.challenge_id, counted.code_id);
    tx.execute(SPEND_APPROVED_CODE, (code_id, now)).await?;
    let params = (id, code_id, now, &approved_code_hash[..]);
    if tx.execute(APPROVE_CHALLENGE, params).await? == 1 {
        return Ok(Approval::Approved);
    }
    let params = (id, now.minus(APPROVAL_TTL));
    let before: Option<Vec<u8>> = tx.optional_value(READ_APPROVAL, params).await?;
    let is_same = |hash: Vec<u8>| bool::from(hash.ct_eq(&approved_code_hash[..]));
    Ok(if before.is_some_and(is_same) {
        Approval::Already
    } else {
        Approval::Lost
    })
}

/// Uses up an approval, inside the transaction that makes its one session.
pub(in crate::store) async fn consume_approval(
    tx: &mut Tx,
    challenge_id: Uuid,
    session_id: Uuid,
    now: Timestamp,
) -> Result<Consumed, StoreError> {
    let params = (challenge_id, now, now.minus(APPROVAL_TTL), session_id);
    Ok(if tx.execute(CONSUME_APPROVAL, params).await? == 1 {
        Consumed::Yes
    } else {
        Consumed::No
    })
}
