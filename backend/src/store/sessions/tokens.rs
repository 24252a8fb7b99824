//! The digests of our refresh tokens: the newest token of a session, and earlier ones that a client may still send.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::{Execute, Params};
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

statements! {
    INSERT_TOKEN {
        both: "insert into session_tokens (session_id, counter, token_hash, key_id, issued_at)
               values ($1, $2, $3, $4, $5)",
    }
    TOKENS_OF {
        both: "select counter, token_hash, key_id, first_used_at from session_tokens
               where session_id = $1 order by counter desc limit 32",
    }
    /// Of two simultaneous rotations, one finds the counter changed and fails. A request that has waited long for the
    /// identity provider must not set the times back.
    ADVANCE_COUNTER {
        both: "update sessions set token_counter = token_counter + 1,
                 last_seen_at = case when last_seen_at < $3 then $3 else last_seen_at end,
                 idle_expires_at = case when idle_expires_at < $4 then $4 else idle_expires_at end
               where id = $1 and token_counter = $2 and ended_at is null
                 and idle_expires_at > $3 and expires_at > $3",
    }
    NOTE_FIRST_USE {
        both: "update session_tokens set first_used_at = $3
               where session_id = $1 and counter = $2 and first_used_at is null",
    }
    /// Deletes the tokens whose successor was used before `$2`, and all with a counter below `$3`. A token must not be
    /// deleted while it is still accepted: it would be taken for a stolen one.
    DELETE_OLD_TOKENS {
        both: "delete from session_tokens where session_id = $1 and (counter < $3 or exists (
                 select 1 from session_tokens s
                 where s.session_id = $1 and s.counter = session_tokens.counter + 1
                   and s.first_used_at < $2))",
    }
}

/// A stored refresh token.
#[derive(Clone, sqlx::FromRow)]
pub struct TokenRow {
    /// The number of the token in its session, from 1.
    pub counter: i64,
    /// Digest of the token.
    pub token_hash: Vec<u8>,
    /// The id of the key from which the token was made.
    pub key_id: String,
    pub first_used_at: Option<Timestamp>,
}

/// A refresh token that is to be issued.
pub struct NextToken {
    /// The number of the token in its session, from 1.
    pub counter: i64,
    /// Digest of the token.
    pub digest: [u8; 32],
    /// The id of the key from which the token was made.
    pub key_id: String,
}

impl NextToken {
    /// The parameters of [`INSERT_TOKEN`].
    pub(super) fn params(&self, session_id: Uuid, now: Timestamp) -> impl Params<'_> {
        (
            session_id,
            self.counter,
            &self.digest[..],
            &self.key_id,
            now,
        )
    }
}

/// The number of tokens that are kept besides the newest. An old token is accepted for half a minute, in which an
/// honest client rotates its token fewer times.
const MAX_OLD_TOKENS: i64 = 31;

impl Store {
    /// How long a token is kept after its successor was first used. The token is accepted for a shorter time.
    pub const TOKENS_KEPT_FOR: Duration = Duration::from_mins(1);

    /// The stored tokens of a session, newest first.
    pub async fn tokens_of(&self, session_id: Uuid) -> Result<Vec<TokenRow>, StoreError> {
        self.pools.reads().all(TOKENS_OF, (session_id,)).await
    }

    /// Makes `next` the newest token of a session. Returns `false` if another request has rotated the token
    /// first or the session has ended.
    pub async fn rotate_token(
        &self,
        session_id: Uuid,
        next: &NextToken,
        idle_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let current = next.counter - 1;
        let oldest_kept = next.counter - MAX_OLD_TOKENS;
        let mut tx = self.pools.begin_write().await?;
        let params = (session_id, current, now, idle_expires_at);
        if tx.execute(ADVANCE_COUNTER, params).await? == 0 {
            return Ok(false);
        }
        let params = (session_id, current, now);
        tx.execute(NOTE_FIRST_USE, params).await?;
        tx.execute(INSERT_TOKEN, next.params(session_id, now))
            .await?;
        let params = (session_id, now.minus(Self::TOKENS_KEPT_FOR), oldest_kept);
        tx.execute(DELETE_OLD_TOKENS, params).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Records the first use of a token. Its predecessor is refused soon after.
    pub async fn note_first_use(
        &self,
        session_id: Uuid,
        counter: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (session_id, counter, now);
        self.pools.writes().execute(NOTE_FIRST_USE, params).await?;
        Ok(())
    }
}
