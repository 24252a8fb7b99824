//! The issuer of identities to which the database is bound.
//!
//! The first start stores the issuer that is configured, and every later start compares its issuer with the stored one:
//! if the Supabase configuration vanished unnoticed, each person would get a second identity. While the database has no
//! accounts, sessions or jobs, a later start may bind it to another issuer, so a typo at the first start does no harm.
//! The database also stores this backend's own name as an issuer. That name is made once, so that a switch to Supabase
//! and back finds the same people.

use uuid::Uuid;

use super::execute::Execute;
use super::meta::{CLAIM_META, READ_META, WRITE_META};
use super::statement::{Statement, statements};
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// The key in `app_meta` of the issuer that the database is bound to.
const BOUND_KEY: &str = "issuer";
/// The key in `app_meta` of this backend's own name as an issuer.
const OWN_KEY: &str = "local_issuer";
/// This backend's name is a random URN and not its address: an address may change, and the tokens issued under the
/// old address would then have an unknown issuer.
const OWN_PREFIX: &str = "urn:uuid:";

statements! {
    /// Another issuer replaces the stored one only while no account, session or job depends on it.
    CLAIM_ISSUER {
        both: "insert into app_meta (key, value, updated_at) values ($1, $2, $3)
               on conflict (key) do update set value = excluded.value, updated_at = excluded.updated_at
               where app_meta.value <> excluded.value
                 and not exists (select 1 from accounts)
                 and not exists (select 1 from sessions)
                 and not exists (select 1 from jobs)",
    }
    /// Also deletes the provider's tokens, since the new issuer accepts none of them.
    END_ALL_SESSIONS {
        both: "update sessions set ended_at = $1, end_reason = 'identity_switched',
                 upstream_tokens = null, access_hash = null, previous_access_hash = null,
                 upstream_version = upstream_version + 1
               where ended_at is null",
    }
}

impl Store {
    /// Returns this backend's own name as an issuer. Makes and stores one from `fresh` if the database has none.
    pub async fn own_issuer(&self, fresh: Uuid, now: Timestamp) -> Result<String, StoreError> {
        let name = format!("{OWN_PREFIX}{fresh}");
        self.claim_meta(CLAIM_META, OWN_KEY, &name, now).await
    }

    /// Whether `issuer` is a backend's own name rather than a provider's.
    pub fn is_own_issuer(issuer: &str) -> bool {
        issuer.starts_with(OWN_PREFIX)
    }

    /// Binds the database to `issuer` if it is bound to none, or has no accounts, sessions and jobs. Returns the issuer
    /// that the database is then bound to.
    pub async fn bind_issuer(&self, issuer: &str, now: Timestamp) -> Result<String, StoreError> {
        self.claim_meta(CLAIM_ISSUER, BOUND_KEY, issuer, now).await
    }

    /// The issuer that the database is bound to, if there is one.
    pub async fn bound_issuer(&self) -> Result<Option<String>, StoreError> {
        self.read_meta(BOUND_KEY).await
    }

    /// Binds the database to `issuer`, whatever it was bound to, and ends every session. Returns the number of ended
    /// sessions.
    pub async fn switch_issuer(&self, issuer: &str, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let ended = tx.execute(END_ALL_SESSIONS, (now,)).await?;
        tx.execute(WRITE_META, (BOUND_KEY, issuer, now)).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Stores `fresh` under `key` by the statement `claim`, and returns the value that is then stored.
    async fn claim_meta(
        &self,
        claim: Statement,
        key: &str,
        fresh: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        // Reads first, so that the backend can start on a read-only database. The own name never changes.
        if let Some(value) = self.read_meta(key).await?
            && (value == fresh || key == OWN_KEY)
        {
            return Ok(value);
        }
        let params = (key, fresh, now);
        self.pools.writes().execute(claim, params).await?;
        let value = self.read_meta(key).await?;
        value.ok_or(StoreError::Closed)
    }

    async fn read_meta(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.pools.writes().optional_value(READ_META, (key,)).await
    }
}
