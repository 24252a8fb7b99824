//! Codes that were right: each opens one session, within ten minutes, also if the identity provider
//! has to be asked twice for it.

use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{APPROVAL_TTL, Counted};
use crate::clock::Timestamp;
use crate::store::breaker::{self, Block};
use crate::store::connection::{Conn, on_conn};
use crate::store::limits::Limit;
use crate::store::otp::attempts::uncount;
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
        both: "update otp_challenges set used_at = $2 \
               where id = $1 and used_at is null and approved_at > $3",
    }
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
        now: Timestamp,
    ) -> Result<Consumed, StoreError> {
        in_transaction!(self.pools, |tx, _dialect| {
            let conn = &mut Conn::from(&mut *tx);
            Ok(consume_approval(conn, challenge_id, now).await?)
        })
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
    now: Timestamp,
) -> Result<Consumed, sqlx::Error> {
    let rows = on_conn!(conn, CONSUME_APPROVAL, |db, sql| {
        sqlx::query(sql)
            .bind(challenge_id)
            .bind(now)
            .bind(now.minus(APPROVAL_TTL))
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
