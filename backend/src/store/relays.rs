//! Relays as the backend knows them: who holds the name, how it is doing, how it proves itself.

use std::time::Duration;

use shared_protocol::{RelayName, RelayStatus};
use sqlx::types::Json;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    /// Takes or renews the lease and notes the heartbeat, unless another live installation holds it.
    RENEW_LEASE {
        both: "insert into relays (name, lease_instance, lease_expires_at, status, last_seen_at, created_at)
               values ($1, $2, $3, $4, $5, $5)
               on conflict (name) do update set
                 lease_instance = excluded.lease_instance,
                 lease_expires_at = excluded.lease_expires_at,
                 status = excluded.status,
                 last_seen_at = excluded.last_seen_at
               where relays.lease_instance is null
                  or relays.lease_instance = excluded.lease_instance
                  or relays.lease_expires_at <= excluded.last_seen_at",
    }
    /// Once is enough: the first time stays.
    MARK_HMAC_SEEN {
        both: "insert into relays (name, hmac_seen_at, created_at) values ($1, $2, $2)
               on conflict (name) do update set hmac_seen_at = excluded.hmac_seen_at
               where relays.hmac_seen_at is null",
    }
    FORGET_HMAC_SEEN {
        both: "update relays set hmac_seen_at = null where name = $1 and hmac_seen_at is not null",
    }
    NOTE_SIGNATURE {
        both: "insert into relays (name, last_signed_at, created_at) values ($1, $2, $2)
               on conflict (name) do update set last_signed_at = excluded.last_signed_at",
    }
    NOTE_BEARER {
        both: "insert into relays (name, last_bearer_at, created_at) values ($1, $2, $2)
               on conflict (name) do update set last_bearer_at = excluded.last_bearer_at",
    }
    /// Without rehearsals, which are no relay's.
    RELAYS {
        both: "select name, hmac_seen_at is not null as has_signed, last_seen_at,
                 coalesce(last_signed_at, last_seen_at, hmac_seen_at) as last_signed_at,
                 last_bearer_at
               from relays where name not like '%/rehearsal' order by name",
    }
    /// The first that comes stays. Written even if one is there, so that the answer is never a race's.
    FIRST_EDGE_AGENT {
        both: "insert into relays (name, edge_agent, created_at) values ($1, $2, $3)
               on conflict (name) do update set
                 edge_agent = coalesce(relays.edge_agent, excluded.edge_agent)
               returning edge_agent",
    }
    HMAC_SEEN {
        both: "select hmac_seen_at is not null from relays where name = $1",
    }
}

/// Whether an installation holds its relay's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// It does, until it stays away for [`Lease::TTL`].
    Held,
    /// Another installation does.
    Elsewhere,
}

impl Lease {
    /// How long a lease outlives the last pull. Three long polls: one may be lost to a deploy.
    pub const TTL: Duration = Duration::from_secs(90);
}

/// The ways in which a relay can prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProofKind {
    /// It signs.
    Signature,
    /// It shows its secret.
    Bearer,
}

/// A relay as it was seen.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayRow {
    /// Its name.
    pub name: String,
    /// Whether it has signed under its name, so that its bare secret is refused.
    pub has_signed: bool,
    /// When it pulled last.
    pub last_seen_at: Option<Timestamp>,
    /// When it was last noted that it signs; to the minute.
    pub last_signed_at: Option<Timestamp>,
    /// When it was last noted that it shows its secret; to the minute.
    pub last_bearer_at: Option<Timestamp>,
}

impl Store {
    /// Every relay that was seen, by name.
    pub async fn relays(&self) -> Result<Vec<RelayRow>, StoreError> {
        self.pools.reads().all(RELAYS, ()).await
    }

    /// Forgets that a relay has signed. `false` if it never had.
    pub async fn allow_bearer(&self, relay: &RelayName) -> Result<bool, StoreError> {
        let params = (relay.as_str(),);
        let rows = self
            .pools
            .writes()
            .execute(FORGET_HMAC_SEEN, params)
            .await?;
        Ok(rows == 1)
    }

    /// Takes or renews `relay`'s lease for `instance` and notes its heartbeat.
    pub async fn renew_lease(
        &self,
        relay: &RelayName,
        instance: &str,
        status: &RelayStatus,
        now: Timestamp,
    ) -> Result<Lease, StoreError> {
        let until = now.plus(Lease::TTL);
        let params = (relay.as_str(), instance, until, Json(status), now);
        let rows = self.reserved.writes().execute(RENEW_LEASE, params).await?;
        Ok(if rows == 1 {
            Lease::Held
        } else {
            Lease::Elsewhere
        })
    }

    /// Notes for good that `relay` signs its requests.
    pub async fn mark_hmac_seen(
        &self,
        relay: &RelayName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (relay.as_str(), now);
        self.reserved
            .writes()
            .execute(MARK_HMAC_SEEN, params)
            .await?;
        Ok(())
    }

    /// Notes that `relay` proves itself by `proof`.
    pub async fn note_proof(
        &self,
        relay: &RelayName,
        proof: ProofKind,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = match proof {
            ProofKind::Signature => NOTE_SIGNATURE,
            ProofKind::Bearer => NOTE_BEARER,
        };
        let params = (relay.as_str(), now);
        self.reserved.writes().execute(statement, params).await?;
        Ok(())
    }

    /// What the first relay called itself that came with a secret without a name; `agent` if none has.
    pub async fn first_edge_agent(
        &self,
        agent: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let params = (RelayName::DEFAULT, agent, now);
        self.reserved.writes().value(FIRST_EDGE_AGENT, params).await
    }

    /// Whether `relay` has ever signed a request.
    pub async fn hmac_seen(&self, relay: &RelayName) -> Result<bool, StoreError> {
        let params = (relay.as_str(),);
        let seen: Option<bool> = self
            .reserved
            .reads()
            .optional_value(HMAC_SEEN, params)
            .await?;
        Ok(seen.unwrap_or(false))
    }
}
