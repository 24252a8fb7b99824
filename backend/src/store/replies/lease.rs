//! Changes of a relay's lease that the owner of the Mac asks for: the name is given up, taken, or taken over.
//!
//! The installation that has lost the name in this way is refused until it asks for the name itself. Only the last one
//! is kept in mind: an earlier one takes the name again, as every installation does, if no other has an unexpired lease.

use shared_protocol::{LeaseChange, RelayName, RelayStatus};
use sqlx::types::Json;

use super::commands;
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::relays::Lease;
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    /// Takes the lease, if it is free or if $6, and refuses the installation that had it.
    TAKE_LEASE {
        both: "insert into relays (name, lease_instance, lease_expires_at, status, last_seen_at, created_at)
               values ($1, $2, $3, $4, $5, $5)
               on conflict (name) do update set
                 refused_instance = coalesce(
                   nullif(relays.lease_instance, excluded.lease_instance),
                   nullif(relays.refused_instance, excluded.lease_instance)),
                 lease_instance = excluded.lease_instance,
                 lease_expires_at = excluded.lease_expires_at,
                 status = excluded.status,
                 last_seen_at = excluded.last_seen_at
               where relays.lease_instance is null
                  or relays.lease_instance = excluded.lease_instance
                  or relays.lease_expires_at <= excluded.last_seen_at
                  or $6",
    }
    /// Matches also if the installation has given the name up before and no other has taken it: the answer to that may
    /// have been lost.
    RELEASE_LEASE {
        both: "update relays set
                 lease_instance = null, lease_expires_at = null, refused_instance = $2
               where name = $1 and (lease_instance = $2
                 or (lease_instance is null and refused_instance = $2))",
    }
    HAS_LEASE { both: "select 1 from relays where name = $1 and lease_instance = $2" }
}

/// Takes the lease for `instance`, which has asked for it, and records its heartbeat. The commit wakes the relay's held
/// pulls, so that an installation that has lost the name knows it at once.
pub(super) async fn take(
    tx: &mut Tx,
    relay: &RelayName,
    instance: &str,
    change: LeaseChange,
    status: &RelayStatus,
    now: Timestamp,
) -> Result<Lease, StoreError> {
    let until = now.plus(Lease::TTL);
    let is_forced = change == LeaseChange::TakeOver;
    let name = relay.as_str();
    let params = (name, instance, until, Json(status), now, is_forced);
    if tx.execute(TAKE_LEASE, params).await? == 0 {
        return Ok(Lease::Elsewhere);
    }
    commands::wake(tx, name).await?;
    Ok(Lease::Held)
}

/// Ends the lease of `instance`, which is refused from then on. Returns `false` if another installation has the lease.
pub(super) async fn release(
    tx: &mut Tx,
    relay: &RelayName,
    instance: &str,
) -> Result<bool, StoreError> {
    let params = (relay.as_str(), instance);
    Ok(tx.execute(RELEASE_LEASE, params).await? == 1)
}

impl Store {
    /// Whether `instance` has the lease.
    pub async fn has_lease(&self, relay: &RelayName, instance: &str) -> Result<bool, StoreError> {
        let params = (relay.as_str(), instance);
        let mut reads = self.reserved.reads();
        let found: Option<i32> = reads.optional_value(HAS_LEASE, params).await?;
        Ok(found.is_some())
    }
}
