//! The connections that are open, and who may open another.
//!
//! There is a bound on all together and one on each network, so that no single client can take every
//! place. Where all places are taken, the connection that has been idle for longest makes room: a
//! thousand clients that only hold on must not keep out the one that asks for something.

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
    places: Arc<Semaphore>,
    per_network: usize,
    proxies: TrustedProxies,
    table: Arc<Table>,
    next: AtomicU64,
}

#[derive(Default)]
struct Table {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    open: HashMap<u64, Arc<Activity>>,
    per_network: HashMap<ClientNetwork, usize>,
}

/// A connection's place; free again once it is dropped.
pub(super) struct Slot {
    id: u64,
    activity: Arc<Activity>,
    networks: Vec<ClientNetwork>,
    table: Arc<Table>,
    _place: OwnedSemaphorePermit,
}

impl OpenConnections {
    pub(super) fn new(limits: Limits, proxies: TrustedProxies) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.max_connections)),
            per_network: limits.max_connections_per_network,
            proxies,
            table: Arc::default(),
            next: AtomicU64::new(0),
        }
    }

    /// A place for one more connection, of one that is idle if need be.
    pub(super) async fn place(&self) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        if let Some(idle) = self.table.longest_idle() {
            idle.evict();
        }
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.expect("the semaphore is never closed")
    }

    /// Gives the place to a connection of `peer`; `None` if its network has too many.
    pub(super) fn admit(&self, place: OwnedSemaphorePermit, peer: IpAddr) -> Option<Slot> {
        // What comes from this machine or through a proxy of ours is not one client.
        let is_bounded = !peer.is_loopback() && !self.proxies.contains(peer);
        let mut table = self.table.lock();
        let mut networks = Vec::new();
        if is_bounded {
            for network in client_networks(peer) {
                let open = table.per_network.get(&network).copied();
                if open.unwrap_or(0) >= self.per_network * network.allowance {
                    return None;
                }
                networks.push(network);
            }
        }
        for network in &networks {
            *table.per_network.entry(*network).or_default() += 1;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let activity = Activity::begin();
        table.open.insert(id, Arc::clone(&activity));
        Some(Slot {
            id,
            activity,
            networks,
            table: Arc::clone(&self.table),
            _place: place,
        })
    }
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that can be closed with the least harm: one that never asked for anything, else
    /// the one whose last answer is longest ago.
    fn longest_idle(&self) -> Option<Arc<Activity>> {
        let inner = self.lock();
        let idle = inner
            .open
            .values()
            .filter(|activity| activity.phase() != Phase::Busy);
        idle.min_by_key(|activity| (activity.phase() == Phase::Idle, activity.moved_at()))
            .map(Arc::clone)
    }
}

impl Slot {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        table.open.remove(&self.id);
        for network in &self.networks {
            if let Some(open) = table.per_network.get_mut(network) {
                *open -= 1;
                if *open == 0 {
                    table.per_network.remove(network);
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

    async fn admitted(open: &OpenConnections, peer: &str) -> Option<Slot> {
        let place = open.place().await;
        open.admit(place, peer.parse().expect("an address"))
    }

    #[tokio::test]
    async fn one_network_takes_only_its_share() {
        let open = open_connections();
        let mut slots = Vec::new();
        for _ in 0..3 {
            slots.push(admitted(&open, "192.0.2.1").await.expect("a place"));
        }
        assert!(admitted(&open, "192.0.2.1").await.is_none());
        assert!(admitted(&open, "192.0.2.2").await.is_some());
        drop(slots.pop());
        assert!(admitted(&open, "192.0.2.1").await.is_some());
        // Neither this machine nor a proxy of ours is one client.
        for peer in ["127.0.0.1", "::1", "100.64.0.2"] {
            for _ in 0..20 {
                slots.push(admitted(&open, peer).await.expect("a place"));
            }
        }
    }

    #[tokio::test]
    async fn a_rented_server_with_many_networks_takes_only_its_share() {
        let open = open_connections();
        let mut slots = Vec::new();
        for n in 0..100 {
            slots.extend(admitted(&open, &format!("2001:db8:1:{n:x}00::1")).await);
        }
        assert_eq!(slots.len(), 12, "a /48 has four times as many as a /64");
        assert!(admitted(&open, "2001:db8:2::1").await.is_some());
        drop(slots);
        assert!(open.table.lock().per_network.is_empty());
        assert!(open.table.lock().open.is_empty());
    }
}
