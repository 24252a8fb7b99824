//! Relays: the lease on each relay's name, the status in its last heartbeat, and how it authenticates. A relay's pull
//! for commands carries its heartbeat and renews its lease.

use std::time::Duration;

use shared_protocol::{RelayName, RelayStatus};
use sqlx::types::Json;

use super::execute::Execute;
use super::statement::statements;
use super::transaction::Tx;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    /// Takes or renews the lease and records the heartbeat, unless another installation has an unexpired lease, or the
    /// relay was moved away from this one.
    RENEW_LEASE {
        both: "insert into relays (name, lease_instance, lease_expires_at, status, last_seen_at, created_at)
               values ($1, $2, $3, $4, $5, $5)
               on conflict (name) do update set
                 lease_instance = excluded.lease_instance,
                 lease_expires_at = excluded.lease_expires_at,
                 status = excluded.status,
                 last_seen_at = excluded.last_seen_at
               where (relays.lease_instance is null
                  or relays.lease_instance = excluded.lease_instance
                  or relays.lease_expires_at <= excluded.last_seen_at)
                 and (relays.refused_instance is null
                  or relays.refused_instance <> excluded.lease_instance)",
    }
    MOVE_RELAY {
        both: "update relays set
                 refused_instance = lease_instance, lease_instance = null, lease_expires_at = null
               where name = $1 returning refused_instance is not null",
    }
    /// Keeps the time of the relay's first signature.
    NOTE_FIRST_SIGNATURE {
        both: "insert into relays (name, hmac_seen_at, created_at) values ($1, $2, $2)
               on conflict (name) do update set hmac_seen_at = excluded.hmac_seen_at
               where relays.hmac_seen_at is null",
    }
    FORGET_FIRST_SIGNATURE {
        both: "update relays set hmac_seen_at = null where name = $1 and hmac_seen_at is not null",
    }
    NOTE_LAST_SIGNATURE {
        both: "insert into relays (name, last_signed_at, created_at) values ($1, $2, $2)
               on conflict (name) do update set last_signed_at = excluded.last_signed_at",
    }
    NOTE_LAST_BEARER {
        both: "insert into relays (name, last_bearer_at, created_at) values ($1, $2, $2)
               on conflict (name) do update set last_bearer_at = excluded.last_bearer_at",
    }
    /// Names of rehearsals are left out.
    RELAYS {
        both: "select name, hmac_seen_at is not null as has_signed, last_seen_at,
                 coalesce(last_signed_at, last_seen_at, hmac_seen_at) as last_signed_at,
                 last_bearer_at
               from relays where name not like '%/rehearsal' order by name",
    }
    /// Rehearsals are left out.
    LAST_HEARTBEATS {
        both: "select name, last_seen_at, status from relays
               where last_seen_at is not null and status is not null and name not like '%/rehearsal'
               order by name",
    }
    /// The agent name that was recorded first stays. The row is written even if it has an agent, so that simultaneous
    /// requests get the same answer.
    FIRST_EDGE_AGENT {
        both: "insert into relays (name, edge_agent, created_at) values ($1, $2, $3)
               on conflict (name) do update set
                 edge_agent = coalesce(relays.edge_agent, excluded.edge_agent)
               returning edge_agent",
    }
    HAS_SIGNED {
        both: "select hmac_seen_at is not null from relays where name = $1",
    }
}

/// Whether an installation has the lease on its relay's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The installation has the lease for [`Lease::TTL`] from now on.
    Held,
    /// Another installation has the lease.
    Elsewhere,
}

impl Lease {
    /// How long a lease lasts after the last pull: three long polls, since a deploy may interrupt one.
    pub const TTL: Duration = Duration::from_secs(90);
}

/// The result of [`Store::move_relay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayMove {
    /// The installation that had the lease has it no more, and is refused.
    Released,
    /// No installation has the lease, and none is refused.
    OpenToAll,
    /// The relay has never pulled.
    NoSuchRelay,
}

/// The ways in which a relay can authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum ProofKind {
    /// The relay signs its requests.
    Signature,
    /// The relay sends its secret as a bearer token.
    Bearer,
}

#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RelayRow {
    pub name: String,
    /// Whether it is recorded that the relay has signed a request. Its secret is then refused as a bearer token.
    pub has_signed: bool,
    /// The time of the last pull.
    pub last_seen_at: Option<Timestamp>,
    /// The time of the last signed request, to within a minute.
    pub last_signed_at: Option<Timestamp>,
    /// The time of the last request with a bearer token, to within a minute.
    pub last_bearer_at: Option<Timestamp>,
}

/// The last heartbeat of a relay.
#[derive(Debug, sqlx::FromRow)]
pub struct LastHeartbeat {
    /// The relay's name.
    pub name: String,
    pub last_seen_at: Timestamp,
    /// A [`RelayStatus`], as the version that stored it wrote one.
    pub status: Json<serde_json::Value>,
}

impl Store {
    /// The last heartbeat of every relay that has pulled, ordered by name. Rehearsals are left out.
    pub async fn last_heartbeats(&self) -> Result<Vec<LastHeartbeat>, StoreError> {
        self.pools.reads().all(LAST_HEARTBEATS, ()).await
    }

    /// Every relay that has sent a request, ordered by name. Rehearsals are left out.
    pub async fn relays(&self) -> Result<Vec<RelayRow>, StoreError> {
        self.pools.reads().all(RELAYS, ()).await
    }

    /// Deletes the record that a relay has signed, so that its bearer token is accepted again. Returns `false` if there
    /// is no such record.
    pub async fn allow_bearer(&self, relay: &RelayName) -> Result<bool, StoreError> {
        let params = (relay.as_str(),);
        let rows = self
            .pools
            .writes()
            .execute(FORGET_FIRST_SIGNATURE, params)
            .await?;
        Ok(rows == 1)
    }

    /// Ends the lease of the installation that has the name of `relay`, and refuses the lease to that installation, so
    /// that another one can take it. If no installation has the lease, none is refused any more.
    pub async fn move_relay(&self, relay: &RelayName) -> Result<RelayMove, StoreError> {
        let params = (relay.as_str(),);
        let refuses: Option<bool> = self
            .pools
            .writes()
            .optional_value(MOVE_RELAY, params)
            .await?;
        Ok(match refuses {
            Some(true) => RelayMove::Released,
            Some(false) => RelayMove::OpenToAll,
            None => RelayMove::NoSuchRelay,
        })
    }

    /// Records that `relay` has signed a request. An earlier record stays.
    pub async fn note_first_signature(
        &self,
        relay: &RelayName,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (relay.as_str(), now);
        self.reserved
            .writes()
            .execute(NOTE_FIRST_SIGNATURE, params)
            .await?;
        Ok(())
    }

    /// Records the time at which `relay` authenticated by `proof`.
    pub async fn note_proof(
        &self,
        relay: &RelayName,
        proof: ProofKind,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let statement = match proof {
            ProofKind::Signature => NOTE_LAST_SIGNATURE,
            ProofKind::Bearer => NOTE_LAST_BEARER,
        };
        let params = (relay.as_str(), now);
        self.reserved.writes().execute(statement, params).await?;
        Ok(())
    }

    /// Returns the agent name of the first relay of the predecessor (`archety-edge`), whose secret has no name. Records
    /// `agent` as that name if none is recorded.
    pub async fn first_edge_agent(
        &self,
        agent: &str,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let params = (RelayName::DEFAULT, agent, now);
        self.reserved.writes().value(FIRST_EDGE_AGENT, params).await
    }

    /// Whether it is recorded that the relay has signed a request.
    pub async fn has_signed(&self, relay: &RelayName) -> Result<bool, StoreError> {
        let params = (relay.as_str(),);
        let seen: Option<bool> = self
            .reserved
            .reads()
            .optional_value(HAS_SIGNED, params)
            .await?;
        Ok(seen.unwrap_or(false))
    }
}

/// Takes or renews the lease on the name of `relay` for `instance` and records its heartbeat.
pub(in crate::store) async fn renew_lease(
    tx: &mut Tx,
    relay: &RelayName,
    instance: &str,
    status: &RelayStatus,
    now: Timestamp,
) -> Result<Lease, StoreError> {
    let until = now.plus(Lease::TTL);
    let params = (relay.as_str(), instance, until, Json(status), now);
    let rows = tx.execute(RENEW_LEASE, params).await?;
    Ok(if rows == 1 {
        Lease::Held
    } else {
        Lease::Elsewhere
    })
}
