//! Codes that were right: each opens one session, within ten minutes, also if the identity provider
//! has to be asked twice for it.

use std::time::Duration;

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{APPROVAL_TTL, AttemptAsk, Counted};
use crate::clock::Timestamp;
use crate::store::breaker::{self, Block};
use crate::store::connection::{Conn, on_conn};
use crate::store::limits::Limit;
use crate::store::otp::attempts::uncount;
use crate::store::pools::on_reader;
use crate::store::statements::statements;
use crate::store::transaction::in_transaction;
use crate::store::{Store, StoreError};

statements! {
    /// Locks the code, so that two challenges that share it are not both approved. One that a
    /// simultaneous check found gone at the provider is spent already.
    SPEND_APPROVED_CODE {
        both: "update otp_codes set spent_at = coalesce(spent_at, $2) where id = $1",
    }
    APPROVE_CHALLENGE {
        both: "update otp_challenges set approved_at = $3, approved_code_hash = $4 \
               where id = $1 and not exists ( \
                 select 1 from otp_challenges other \
                 where other.code_id = $2 and other.approved_at is not null)",
    }
    READ_APPROVAL {
        both: "select approved_code_hash from otp_challenges \
               where id = $1 and approved_at > $2 and used_at is null",
    }
    CONSUME_APPROVAL {
        both: "update otp_challenges set used_at = $2, opened_session = $4 \
               where id = $1 and used_at is null and approved_at > $3",
    }
    /// What was confirmed a moment ago in the same browser, and the session that it opened or stepped up.
    FIND_JUST_USED {
        both: "select c.id, c.approved_code_hash, c.opened_session, s.token_counter \
               from otp_challenges c join sessions s on s.id = c.opened_session \
               where c.phone_hash = $1 and (c.id = $2 or $2 is null) \
                 and (c.binding = $3 or c.opened_session = $4) \
                 and c.used_at > $5 and s.ended_at is null \
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
        in_transaction!(self.pools, |tx, _dialect| {
            let conn = &mut Conn::from(&mut *tx);
            let approval = approve(conn, counted, approved_code_hash, now).await?;
            uncount(conn, counted.challenge_id, limits, now).await?;
            if let (Approval::Approved, Some(block)) = (approval, block) {
                breaker::count_confirmed(conn, block, counted.reserved_at).await?;
            }
            Ok(approval)
        })
    }

    /// Uses up an approval outside any other transaction.
    pub async fn consume_approval(
        &self,
        challenge_id: Uuid,
        session_id: Uuid,
        now: Timestamp,
    ) -> Result<Consumed, StoreError> {
        in_transaction!(self.pools, |tx, _dialect| {
            let conn = &mut Conn::from(&mut *tx);
            Ok(consume_approval(conn, challenge_id, session_id, now).await?)
        })
    }

    /// The approval that a browser used up a moment ago, for a request that it sent twice.
    pub async fn just_used(
        &self,
        ask: &AttemptAsk,
        now: Timestamp,
    ) -> Result<Option<JustUsed>, StoreError> {
        let (browser, session) = (ask.bound_to.browser, ask.bound_to.session);
        let found = on_reader!(self.pools, FIND_JUST_USED, |pool, sql| {
            sqlx::query_as(sql)
                .bind(&ask.phone_hash[..])
                .bind(ask.challenge_id)
                .bind(browser.as_ref().map(|digest| &digest[..]))
                .bind(session)
                .bind(now.minus(REPEATED_WITHIN))
                .fetch_optional(pool)
                .await
        })?;
        Ok(found)
    }
}

async fn approve(
    conn: &mut Conn<'_>,
    counted: &Counted,
    approved_code_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Approval, sqlx::Error> {
    on_conn!(conn, SPEND_APPROVED_CODE, |db, sql| {
        sqlx::query(sql)
            .bind(counted.code_id)
            .bind(now)
            .execute(db)
            .await
            .map(drop)
    })?;
    let approved = on_conn!(conn, APPROVE_CHALLENGE, |db, sql| {
        sqlx::query(sql)
            .bind(counted.challenge_id)
            .bind(counted.code_id)
            .bind(now)
            .bind(&approved_code_hash[..])
            .execute(db)
            .await
            .map(|done| done.rows_affected())
    })?;
    if approved == 1 {
        return Ok(Approval::Approved);
    }
    let before: Option<Vec<u8>> = on_conn!(conn, READ_APPROVAL, |db, sql| {
        sqlx::query_scalar(sql)
            .bind(counted.challenge_id)
            .bind(now.minus(APPROVAL_TTL))
            .fetch_optional(db)
            .await
    })?;
    let is_same = |hash: Vec<u8>| bool::from(hash.ct_eq(&approved_code_hash[..]));
    Ok(if before.is_some_and(is_same) {
        Approval::Already
    } else {
        Approval::Lost
    })
}

/// Uses up an approval, inside the transaction that makes its one session.
pub(in crate::store) async fn consume_approval(
    conn: &mut Conn<'_>,
    challenge_id: Uuid,
    session_id: Uuid,
    now: Timestamp,
) -> Result<Consumed, sqlx::Error> {
    let rows = on_conn!(conn, CONSUME_APPROVAL, |db, sql| {
        sqlx::query(sql)
            .bind(challenge_id)
            .bind(now)
            .bind(now.minus(APPROVAL_TTL))
            .bind(session_id)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(if rows == 1 {
        Consumed::Yes
    } else {
        Consumed::No
    })
}
