//! The open connections, with a limit on all of them and one on each network.
//!
//! Each connection holds one of a fixed number of permits. The limit on networks keeps a single client from taking
//! every permit. If all permits are taken, the connection that has been idle for longest is closed: a thousand idle
//! clients must not keep out a client with a request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;
use super::activity::{Activity, Phase};
use crate::client_network::{ClientNetwork, client_networks};
use crate::config::TrustedProxies;

/// Every open connection.
pub(super) struct OpenConnections {
    permits: Arc<Semaphore>,
    max_per_network: usize,
    proxies: TrustedProxies,
    table: Arc<Mutex<Table>>,
    next_id: AtomicU64,
}

#[derive(Default)]
struct Table {
    /// The activity of each open connection, by the id of its slot.
    activities: HashMap<u64, Arc<Activity>>,
    /// The number of open connections from each network.
    open_per_network: HashMap<ClientNetwork, usize>,
}

/// A connection's entry in the table. Dropping it removes the connection.
pub(super) struct Slot {
    id: u64,
    pub(super) activity: Arc<Activity>,
    networks: Vec<ClientNetwork>,
    table: Arc<Mutex<Table>>,
    _permit: OwnedSemaphorePermit,
}

impl OpenConnections {
    pub(super) fn new(limits: Limits, proxies: TrustedProxies) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limits.max_connections)),
            max_per_network: limits.max_connections_per_network,
            proxies,
            table: Arc::default(),
            next_id: AtomicU64::new(0),
        }
    }

    /// Waits for a permit for one more connection. If none is free, closes an idle connection.
    pub(super) async fn acquire_permit(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return permit;
        }
        if let Some(idle) = lock(&self.table).longest_idle() {
            idle.evict();
        }
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        permit.expect("the semaphore is never closed")
    }

    /// Enters a connection of `peer` into the table; `None` if its network has too many.
    pub(super) fn register(&self, permit: OwnedSemaphorePermit, peer: IpAddr) -> Option<Slot> {
        // The connections of our proxies, one of which may run on this machine, carry the requests of many clients.
        let is_bounded = !peer.is_loopback() && !self.proxies.contains(peer);
        let mut table = lock(&self.table);
        let mut networks = Vec::new();
        if is_bounded {
            for network in client_networks(peer) {
                let open = table.open_per_network.get(&network).copied();
                if open.unwrap_or(0) >= self.max_per_network * network.allowance {
                    return None;
                }
                networks.push(network);
            }
        }
        for network in &networks {
            *table.open_per_network.entry(*network).or_default() += 1;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let activity = Activity::begin();
        table.activities.insert(id, Arc::clone(&activity));
        Some(Slot {
            id,
            activity,
            networks,
            table: Arc::clone(&self.table),
            _permit: permit,
        })
    }
}

impl Table {
    /// The connection to close first: one that never sent a request, or else the one whose last answer is
    /// longest ago. `None` if every connection is busy.
    fn longest_idle(&self) -> Option<Arc<Activity>> {
        let activities = self.activities.values();
        let idle = activities.filter(|activity| activity.phase() != Phase::Busy);
        idle.min_by_key(|activity| (activity.phase() == Phase::Idle, activity.progress_at()))
            .map(Arc::clone)
    }
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        table.activities.remove(&self.id);
        for network in &self.networks {
            if let Some(open) = table.open_per_network.get_mut(network) {
                *open -= 1;
                if *open == 0 {
                    table.open_per_network.remove(network);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_connections() -> OpenConnections {
        let limits = Limits {
            max_connections: 100,
            max_connections_per_network: 3,
            ..Limits::default()
        };
        let proxies = TrustedProxies::parse("100.64.0.0/10").expect("a list");
        OpenConnections::new(limits, proxies)
    }

    async fn try_open(open: &OpenConnections, peer: &str) -> Option<Slot> {
        let permit = open.acquire_permit().await;
        open.register(permit, peer.parse().expect("an address"))
    }

    #[tokio::test]
    async fn one_network_takes_only_its_share() {
        let open = open_connections();
        let mut slots = Vec::new();
        for _ in 0..3 {
            slots.push(try_open(&open, "192.0.2.1").await.expect("a slot"));
        }
        assert!(try_open(&open, "192.0.2.1").await.is_none());
        assert!(try_open(&open, "192.0.2.2").await.is_some());
        drop(slots.pop());
        assert!(try_open(&open, "192.0.2.1").await.is_some());
        // The limit does not apply to this machine and to our proxies.
        for peer in ["127.0.0.1", "::1", "100.64.0.2"] {
            for _ in 0..20 {
                slots.push(try_open(&open, peer).await.expect("a slot"));
            }
        }
    }

    #[tokio::test]
    async fn a_client_with_many_networks_takes_only_its_share() {
        let open = open_connections();
        let mut slots = Vec::new();
        for n in 0..100 {
            slots.extend(try_open(&open, &format!("2001:db8:1:{n:x}00::1")).await);
        }
        assert_eq!(slots.len(), 12, "a /48 has four times as many as a /64");
        assert!(try_open(&open, "2001:db8:2::1").await.is_some());
        drop(slots);
        assert!(lock(&open.table).open_per_network.is_empty());
        assert!(lock(&open.table).activities.is_empty());
    }
}
