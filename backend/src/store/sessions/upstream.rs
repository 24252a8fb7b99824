//! The identity provider's tokens of a session: sealed, changed by compare-and-swap.
//!
//! One replica at a time asks the provider for the next ones. It takes a lease, which ends by itself
//! should that replica die. The answer is kept only if the session's tokens have not changed meanwhile.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

statements! {
    READ_UPSTREAM {
        both: "select upstream_tokens, upstream_version, access_expires_at, upstream_lease_until
               from sessions where id = $1 and ended_at is null",
    }
    LEASE_UPSTREAM {
        both: "update sessions set upstream_lease_until = $4
               where id = $1 and upstream_version = $2 and ended_at is null
                 and (upstream_lease_until is null or upstream_lease_until <= $3)",
    }
    REPLACE_UPSTREAM {
        both: "update sessions set upstream_tokens = $3, upstream_version = upstream_version + 1,
                 upstream_lease_until = null, previous_access_hash = access_hash, access_hash = $4,
                 access_expires_at = $5
               where id = $1 and upstream_version = $2 and ended_at is null",
    }
    RELEASE_UPSTREAM {
        both: "update sessions set upstream_lease_until = null
               where id = $1 and upstream_version = $2",
    }
}

#[derive(Debug, sqlx::FromRow)]
pub struct UpstreamRow {
    /// Sealed; null with an identity provider that has no tokens of its own.
    pub upstream_tokens: Option<Vec<u8>>,
    /// Counts their changes.
    pub upstream_version: i64,
    pub access_expires_at: Option<Timestamp>,
    /// Until when a replica may be asking for the next ones.
    pub upstream_lease_until: Option<Timestamp>,
}

/// Tokens that the provider has just issued.
pub struct NewUpstream {
    /// The provider's name for the session.
    pub session_id: String,
    pub access_hash: [u8; 32],
    pub access_expires_at: Timestamp,
    /// Both tokens.
    pub sealed_tokens: Vec<u8>,
}

impl Store {
    /// How long one replica may be asking. Longer than the provider takes to give up.
    pub const UPSTREAM_LEASE: Duration = Duration::from_secs(20);

    pub async fn upstream(&self, session_id: Uuid) -> Result<Option<UpstreamRow>, StoreError> {
        let mut reads = self.pools.reads();
        reads.optional(READ_UPSTREAM, (session_id,)).await
    }

    /// Takes the lease on the next tokens. `false` if another replica has it, or was faster.
    pub async fn lease_upstream(
        &self,
        session_id: Uuid,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let params = (session_id, version, now, now.plus(Self::UPSTREAM_LEASE));
        let mut writes = self.pools.writes();
        Ok(writes.execute(LEASE_UPSTREAM, params).await? == 1)
    }

    /// Keeps the next tokens and frees the lease. `false` if the session has ended, or others came in
    /// between.
    pub async fn replace_upstream(
        &self,
        session_id: Uuid,
        version: i64,
        next: &NewUpstream,
    ) -> Result<bool, StoreError> {
        let params = (
            session_id,
            version,
            &next.sealed_tokens,
            &next.access_hash[..],
            next.access_expires_at,
        );
        let mut writes = self.pools.writes();
        Ok(writes.execute(REPLACE_UPSTREAM, params).await? == 1)
    }

    /// Frees the lease after a try that failed.
    pub async fn release_upstream(&self, session_id: Uuid, version: i64) -> Result<(), StoreError> {
        let mut writes = self.pools.writes();
        writes
            .execute(RELEASE_UPSTREAM, (session_id, version))
            .await?;
        Ok(())
    }
}
