//! The identity provider's tokens of a session, which are encrypted and change by compare-and-swap.
//!
//! One replica at a time requests the next tokens from the provider. The replica takes a lease, which expires if the
//! replica dies. The next tokens are stored only if the session's tokens have not changed meanwhile.

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
    TAKE_UPSTREAM_LEASE {
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
    RELEASE_UPSTREAM_LEASE {
        both: "update sessions set upstream_lease_until = null
               where id = $1 and upstream_version = $2",
    }
}

/// The provider's tokens of a session, as they are stored.
#[derive(Debug, sqlx::FromRow)]
pub struct UpstreamRow {
    /// Encrypted; `None` if the identity provider has no tokens of its own.
    pub upstream_tokens: Option<Vec<u8>>,
    /// Counts the changes of the tokens.
    pub upstream_version: i64,
    /// When the access token expires.
    pub access_expires_at: Option<Timestamp>,
    /// The end of the lease of the replica that requests the next tokens.
    pub upstream_lease_until: Option<Timestamp>,
}

/// Tokens that the provider has just issued.
pub struct NewUpstream {
    /// The id of the session at the provider.
    pub session_id: String,
    /// Digest of the access token.
    pub access_hash: [u8; 32],
    pub access_expires_at: Timestamp,
    /// The access token and the refresh token, encrypted together.
    pub sealed_tokens: Vec<u8>,
}

impl Store {
    /// The length of the lease, which is longer than the timeout of the request to the provider.
    pub const UPSTREAM_LEASE: Duration = Duration::from_secs(20);

    /// The provider's tokens of a session; `None` if the session has ended.
    pub async fn upstream(&self, session_id: Uuid) -> Result<Option<UpstreamRow>, StoreError> {
        let mut reads = self.pools.reads();
        reads.optional(READ_UPSTREAM, (session_id,)).await
    }

    /// Takes the lease to request the successors of the tokens of this version. Returns `false` if another replica has
    /// the lease or has replaced the tokens, or if the session has ended.
    pub async fn lease_upstream(
        &self,
        session_id: Uuid,
        version: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let params = (session_id, version, now, now.plus(Self::UPSTREAM_LEASE));
        let mut writes = self.pools.writes();
        Ok(writes.execute(TAKE_UPSTREAM_LEASE, params).await? == 1)
    }

    /// Stores the next tokens and releases the lease. Returns `false` if the session has ended or its tokens have
    /// changed.
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

    /// Releases the lease after a failed request.
    pub async fn release_upstream(&self, session_id: Uuid, version: i64) -> Result<(), StoreError> {
        let mut writes = self.pools.writes();
        writes
            .execute(RELEASE_UPSTREAM_LEASE, (session_id, version))
            .await?;
        Ok(())
    }
}
