//! Sessions end: marked first, which shuts everybody out within a second; what is left to do at the
//! identity provider is written down in the same transaction.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::jobs::{INSERT_JOB, NewJob};
use crate::store::pools::on_writer;
use crate::store::statements::statements;
use crate::store::transaction::in_transaction;
use crate::store::{Store, StoreError};

statements! {
    END_ONE {
        both: "update sessions set ended_at = $2, end_reason = $3 \
               where id = $1 and ended_at is null returning id, upstream_tokens",
    }
    /// Only while the provider's tokens are those that it refused.
    END_IF_UNCHANGED {
        both: "update sessions set ended_at = $3, end_reason = $4 \
               where id = $1 and upstream_version = $2 and ended_at is null",
    }
    END_THIS {
        both: "update sessions set ended_at = $3, end_reason = 'logged_out' \
               where user_id = $1 and id = $2 and ended_at is null \
               returning id, upstream_tokens",
    }
    END_OTHERS {
        both: "update sessions set ended_at = $3, end_reason = 'logged_out' \
               where user_id = $1 and id <> $2 and ended_at is null \
               returning id, upstream_tokens",
    }
    END_ALL {
        both: "update sessions set ended_at = $3, end_reason = 'logged_out' \
               where user_id = $1 and (id = $2 or id <> $2) and ended_at is null \
               returning id, upstream_tokens",
    }
}

/// Which of a person's sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The named one.
    This,
    /// All but the named one.
    Others,
    /// All of them.
    All,
}

/// A session that has just ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Ended {
    /// Its id.
    pub id: Uuid,
    /// The identity provider's tokens, sealed.
    pub upstream_tokens: Option<Vec<u8>>,
}

impl Store {
    /// Ends sessions of a person. `log_out` tells the job that is left to do for each, if any.
    pub async fn end_sessions(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        which: Ending,
        log_out: impl Fn(&Ended) -> Option<NewJob>,
        now: Timestamp,
    ) -> Result<Vec<Uuid>, StoreError> {
        let statement = match which {
            Ending::This => END_THIS,
            Ending::Others => END_OTHERS,
            Ending::All => END_ALL,
        };
        in_transaction!(self.pools, |tx, dialect| {
            let ended: Vec<Ended> = sqlx::query_as(statement.on(dialect))
                .bind(user_id)
                .bind(session_id)
                .bind(now)
                .fetch_all(&mut *tx)
                .await?;
            for job in ended.iter().filter_map(&log_out) {
                sqlx::query(INSERT_JOB.on(dialect))
                    .bind(job.id)
                    .bind(job.kind)
                    .bind(&job.payload)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
            Ok(ended.into_iter().map(|session| session.id).collect())
        })
    }

    /// Ends one session for `reason`, with nothing left to do at the provider.
    pub async fn end_session(
        &self,
        session_id: Uuid,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        on_writer!(self.pools, END_ONE, |pool, sql| {
            sqlx::query(sql)
                .bind(session_id)
                .bind(now)
                .bind(reason)
                .execute(pool)
                .await
                .map(drop)
        })?;
        Ok(())
    }

    /// Ends a session whose tokens the provider has refused for good, unless they are not those any
    /// more: then another replica was faster, and the session lives on.
    pub async fn end_if_unchanged(
        &self,
        session_id: Uuid,
        version: i64,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let rows = on_writer!(self.pools, END_IF_UNCHANGED, |pool, sql| {
            sqlx::query(sql)
                .bind(session_id)
                .bind(version)
                .bind(now)
                .bind(reason)
                .execute(pool)
                .await
                .map(|done| done.rows_affected())
        })?;
        Ok(rows == 1)
    }
}
