//! The encrypted keys with which this backend signs access tokens.
//!
//! One key signs. Newer keys sign later, and older ones only verify tokens that they signed before. Each change of the
//! keys locks one row, so that of replicas that start at the same moment only one creates a key. `identity::local`
//! decides when a key signs.

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// The purpose of the rows of signing keys among the sealed keys.
const PURPOSE: &str = "access_token_signing";

statements! {
    /// Locks, until the commit, the row that [`Store::own_issuer`] has created.
    LOCK_SIGNING_KEYS {
        both: "update app_meta set updated_at = $1 where key = 'local_issuer'",
    }
    COUNT_UNRETIRED_KEYS {
        both: "select count(*) from sealed_keys where purpose = $1 and retired_at is null",
    }
    RETIRE_SIGNING_KEYS {
        both: "update sealed_keys set retired_at = $2, expires_at = $3
               where purpose = $1 and retired_at is null",
    }
    CREATE_SIGNING_KEY {
        both: "insert into sealed_keys (id, purpose, sealed, created_at) values ($1, $2, $3, $4)",
    }
    READ_SIGNING_KEYS {
        both: "select id, sealed, created_at, retired_at, expires_at from sealed_keys
               where purpose = $1 order by created_at, id",
    }
    REMOVE_EXPIRED_KEYS {
        both: "delete from sealed_keys where purpose = $1 and expires_at < $2",
    }
}

/// A signing key as it is stored.
#[derive(Clone, sqlx::FromRow)]
pub struct SealedSigningKey {
    /// The name of the key in the headers of tokens.
    pub id: String,
    /// The encrypted key.
    pub sealed: Vec<u8>,
    pub created_at: Timestamp,
    /// From this time on the key signs no tokens.
    pub retired_at: Option<Timestamp>,
    /// From this time on the key verifies no tokens.
    pub expires_at: Option<Timestamp>,
}

impl Store {
    /// Adds a key unless there is one for which no end of signing is set. [`Store::own_issuer`] has to be called
    /// before.
    pub async fn ensure_signing_key(
        &self,
        id: &str,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        tx.execute(LOCK_SIGNING_KEYS, (now,)).await?;
        let unretired: i64 = tx.value(COUNT_UNRETIRED_KEYS, (PURPOSE,)).await?;
        if unretired == 0 {
            let params = (id, PURPOSE, sealed, now);
            tx.execute(CREATE_SIGNING_KEY, params).await?;
        }
        tx.commit().await
    }

    /// Adds a key that replaces all others at `retire_at`. The others verify tokens until `expire_at`.
    pub async fn rotate_signing_key(
        &self,
        id: &str,
        sealed: &[u8],
        now: Timestamp,
        retire_at: Timestamp,
        expire_at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        tx.execute(LOCK_SIGNING_KEYS, (now,)).await?;
        let params = (PURPOSE, retire_at, expire_at);
        tx.execute(RETIRE_SIGNING_KEYS, params).await?;
        let params = (id, PURPOSE, sealed, now);
        tx.execute(CREATE_SIGNING_KEY, params).await?;
        tx.commit().await
    }

    /// Every signing key, oldest first.
    pub async fn signing_keys(&self) -> Result<Vec<SealedSigningKey>, StoreError> {
        self.pools.reads().all(READ_SIGNING_KEYS, (PURPOSE,)).await
    }

    /// Deletes expired keys. Returns the number of deleted keys.
    pub async fn remove_expired_signing_keys(&self, now: Timestamp) -> Result<u64, StoreError> {
        let params = (PURPOSE, now);
        self.pools
            .writes()
            .execute(REMOVE_EXPIRED_KEYS, params)
            .await
    }
}
