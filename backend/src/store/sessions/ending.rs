//! Ends sessions. The row of a session gets the time of its end, so that every replica refuses the session within a
//! second. A job in the same transaction logs the session out at the identity provider, if it has sessions.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::jobs::{NewJob, enqueue};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

macro_rules! end_sessions_where {
    ($which:literal) => {
        concat!(
            "update sessions set ended_at = $3, end_reason = 'logged_out'
             where user_id = $1 and ",
            $which,
            " and ended_at is null returning id, issuer, upstream_tokens"
        )
    };
}

statements! {
    END_ONE {
        both: "update sessions set ended_at = $2, end_reason = $3
               where id = $1 and ended_at is null returning id, issuer, upstream_tokens",
    }
    /// Ends the session only if the provider's tokens are still those that the provider refused.
    END_IF_UNCHANGED {
        both: "update sessions set ended_at = $3, end_reason = $4
               where id = $1 and upstream_version = $2 and ended_at is null",
    }
    END_EXPIRED {
        both: "update sessions set ended_at = $1, end_reason = 'expired'
               where id in (
                 select id from sessions
                 where ended_at is null and (idle_expires_at <= $1 or expires_at <= $1) limit $2)
               returning id, issuer, upstream_tokens",
    }
    /// Deletes the provider's tokens, of which the job has a copy.
    FORGET_UPSTREAM {
        both: "update sessions set upstream_tokens = null
               where id = $1 and ended_at is not null",
    }
    END_THIS { both: end_sessions_where!("id = $2") }
    END_OTHERS { both: end_sessions_where!("id <> $2") }
    /// The condition on `$2` is always true: the three statements take the same parameters.
    END_ALL { both: end_sessions_where!("(id = $2 or id <> $2)") }
}

/// Which of a person's sessions end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The given session.
    This,
    /// All but the given session.
    Others,
    All,
}

/// A session that has just ended.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EndedSession {
    pub id: Uuid,
    pub issuer: String,
    /// The identity provider's tokens, encrypted.
    pub upstream_tokens: Option<Vec<u8>>,
}

impl Store {
    /// Ends sessions of a person, chosen by `which` and `session_id`, and returns their ids. `log_out` makes the job
    /// for the identity provider, if one is needed.
    pub async fn end_sessions(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        which: Ending,
        log_out: impl Fn(&EndedSession) -> Option<NewJob>,
        now: Timestamp,
    ) -> Result<Vec<Uuid>, StoreError> {
        let statement = match which {
            Ending::This => END_THIS,
            Ending::Others => END_OTHERS,
            Ending::All => END_ALL,
        };
        let mut tx = self.pools.begin_write().await?;
        let ended: Vec<EndedSession> = tx.all(statement, (user_id, session_id, now)).await?;
        enqueue_log_outs(&mut tx, &ended, log_out, now).await?;
        tx.commit().await?;
        Ok(ended.into_iter().map(|session| session.id).collect())
    }

    /// Ends at most `limit` expired sessions. Returns the number of ended sessions.
    pub async fn end_expired_sessions(
        &self,
        log_out: impl Fn(&EndedSession) -> Option<NewJob>,
        limit: i64,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let ended: Vec<EndedSession> = tx.all(END_EXPIRED, (now, limit)).await?;
        enqueue_log_outs(&mut tx, &ended, log_out, now).await?;
        tx.commit().await?;
        Ok(ended.len())
    }

    /// Ends one session for `reason`, without a job for the provider.
    pub async fn end_session(
        &self,
        session_id: Uuid,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (session_id, now, reason);
        self.pools.writes().execute(END_ONE, params).await?;
        Ok(())
    }

    /// Ends a session whose tokens of this version the provider has refused. Returns `false` if the session has ended
    /// before, or if another replica has replaced the tokens meanwhile; in that case the session goes on.
    pub async fn end_if_unchanged(
        &self,
        session_id: Uuid,
        version: i64,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let params = (session_id, version, now, reason);
        let mut writes = self.pools.writes();
        Ok(writes.execute(END_IF_UNCHANGED, params).await? == 1)
    }
}

/// Writes the jobs that log sessions out at the identity provider, inside the transaction that ended them.
pub(super) async fn enqueue_log_outs(
    tx: &mut Tx,
    ended: &[EndedSession],
    log_out: impl Fn(&EndedSession) -> Option<NewJob>,
    now: Timestamp,
) -> Result<(), StoreError> {
    for session in ended {
        if let Some(job) = log_out(session) {
            enqueue(tx, &job, now).await?;
            tx.execute(FORGET_UPSTREAM, (session.id,)).await?;
        }
    }
    Ok(())
}
