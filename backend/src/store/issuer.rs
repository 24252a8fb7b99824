//! Whose identities the database is bound to.
//!
//! The first start writes its issuer down, and every later start is compared with it: were a Supabase
//! configuration to vanish, each person would become another one. While the database has no people, a
//! later start may say otherwise: a typo at the first one binds nothing. Beside it stands this backend's
//! own name as an issuer, made once, so that switching away and back finds the same people.

use uuid::Uuid;

use super::execute::Execute;
use super::statement::{Statement, statements};
use super::{Store, StoreError};
use crate::clock::Timestamp;

const BOUND: &str = "issuer";
const OWN: &str = "local_issuer";
/// A registered form for a name that means nothing but itself. It is no address: an address changes,
/// and then every person's tokens would be another person's.
const OWN_PREFIX: &str = "urn:uuid:";

statements! {
    /// First come, first served; a later call changes nothing.
    CLAIM_META {
        both: "insert into app_meta (key, value, updated_at) values ($1, $2, $3)
               on conflict (key) do nothing",
    }
    READ_META {
        both: "select value from app_meta where key = $1",
    }
    /// First come, first served, once an account, a session, or what is still to be done at the provider
    /// hangs on it.
    CLAIM_ISSUER {
        both: "insert into app_meta (key, value, updated_at) values ($1, $2, $3)
               on conflict (key) do update set value = excluded.value, updated_at = excluded.updated_at
               where app_meta.value <> excluded.value
                 and not exists (select 1 from accounts)
                 and not exists (select 1 from sessions)
                 and not exists (select 1 from jobs)",
    }
    WRITE_META {
        both: "insert into app_meta (key, value, updated_at) values ($1, $2, $3)
               on conflict (key) do update set value = excluded.value, updated_at = excluded.updated_at",
    }
    /// The provider's tokens are of no use any more, and nothing is left that could return them.
    END_ALL_SESSIONS {
        both: "update sessions set ended_at = $1, end_reason = 'identity_switched',
                 upstream_tokens = null, access_hash = null, previous_access_hash = null,
                 upstream_version = upstream_version + 1
               where ended_at is null",
    }
}

/// Whether the database agrees with the configuration about who issues identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// It does, from now on if not before.
    Agreed,
    /// It belongs to this issuer.
    Other(String),
}

impl Store {
    /// This backend's own name as an issuer, made of `fresh` if it has none.
    pub async fn own_issuer(&self, fresh: Uuid, now: Timestamp) -> Result<String, StoreError> {
        let name = format!("{OWN_PREFIX}{fresh}");
        self.claim_meta(CLAIM_META, OWN, &name, now).await
    }

    /// Whether `issuer` is a backend's own name rather than a provider's.
    pub fn is_own_issuer(issuer: &str) -> bool {
        issuer.starts_with(OWN_PREFIX)
    }

    /// Binds the database to `issuer`, if it is bound to none or has no people yet.
    pub async fn bind_issuer(&self, issuer: &str, now: Timestamp) -> Result<Binding, StoreError> {
        let bound = self.claim_meta(CLAIM_ISSUER, BOUND, issuer, now).await?;
        Ok(if bound == issuer {
            Binding::Agreed
        } else {
            Binding::Other(bound)
        })
    }

    /// The issuer that the database is bound to, if there is one.
    pub async fn bound_issuer(&self) -> Result<Option<String>, StoreError> {
        self.read_meta(BOUND).await
    }

    /// Binds the database to `issuer` whatever it was bound to, and ends every session. Tells how many
    /// there were.
    pub async fn switch_issuer(&self, issuer: &str, now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let ended = tx.execute(END_ALL_SESSIONS, (now,)).await?;
        tx.execute(WRITE_META, (BOUND, issuer, now)).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// The value under `key`, which is `fresh` if `claim` allows it.
    async fn claim_meta(
        &self,
        claim: Statement,
        key: &str,
        fresh: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        // Read first, so that a database that is read-only at this time can be started on.
        if let Some(value) = self.read_meta(key).await?
            && (value == fresh || key == OWN)
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
