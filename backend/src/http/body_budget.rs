//! How much memory the bodies of strangers may take.
//!
//! A body is kept before it is known who sent it, since a signature covers it. All such bodies share one
//! budget, charged as their bytes arrive. One network may hold a small part of it, so that a stranger
//! who fills it is refused first; a part of the whole is kept for networks that have proved themselves,
//! so that strangers cannot keep a relay out together. A network's first bytes may use half of that part: one
//! small request is how a relay proves itself after a start.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client_network::client_networks;
use crate::clock::Timestamp;

/// A proof counts for this long.
const PROVED_FOR_SECS: i64 = 24 * 3_600;
/// Networks that are remembered; beyond it the oldest proof is forgotten.
const MAX_PROVED: usize = 1_024;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug)]
struct Shares {
    total: usize,
    /// What only networks that have proved themselves may use.
    kept_for_proved: usize,
    network: usize,
    /// What any network may have of the whole.
    first: usize,
    proved_network: usize,
}

const SHARES: Shares = Shares {
    total: 32 << 20,
    kept_for_proved: 8 << 20,
    network: 4 << 20,
    first: 32 << 10,
    proved_network: 16 << 20,
};

/// The budget of all bodies whose sender is not known yet.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    shares: Shares,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    by_network: HashMap<IpAddr, usize>,
    /// When a network last proved itself, in Unix seconds.
    proved_at: HashMap<IpAddr, i64>,
}

/// What one body holds of the budget; given back once it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    budget: BodyBudget,
    network: IpAddr,
    is_proved: bool,
    bytes: usize,
}

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Default for BodyBudget {
    fn default() -> Self {
        Self::of(SHARES)
    }
}

impl BodyBudget {
    fn of(shares: Shares) -> Self {
        Self {
            shares,
            held: Arc::default(),
        }
    }

    /// The charge of a body that `client` is about to send.
    pub(super) fn charge(&self, client: IpAddr, now: Timestamp) -> Charge {
        let network = widest(client);
        let proved_at = self.lock().proved_at.get(&network).copied();
        Charge {
            budget: self.clone(),
            network,
            is_proved: proved_at.is_some_and(|at| now.as_secs() - at <= PROVED_FOR_SECS),
            bytes: 0,
        }
    }

    /// A body of `client` turned out to be a relay's.
    pub(super) fn proved(&self, client: IpAddr, now: Timestamp) {
        let mut held = self.lock();
        let network = widest(client);
        if held.proved_at.len() >= MAX_PROVED
            && !held.proved_at.contains_key(&network)
            && let Some((&oldest, _)) = held.proved_at.iter().min_by_key(|(_, at)| **at)
        {
            held.proved_at.remove(&oldest);
        }
        held.proved_at.insert(network, now.as_secs());
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// Takes `bytes` more.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let shares = self.budget.shares;
        let mut held = self.budget.lock();
        let network = held.by_network.get(&self.network).copied().unwrap_or(0);
        let (of_network, of_all) = if self.is_proved {
            (shares.proved_network, shares.total)
        } else if network + bytes <= shares.first {
            (shares.network, shares.total - shares.kept_for_proved / 2)
        } else {
            (shares.network, shares.total - shares.kept_for_proved)
        };
        if network + bytes > of_network || held.total + bytes > of_all {
            return Err(Exhausted);
        }
        held.total += bytes;
        held.by_network.insert(self.network, network + bytes);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut held = self.budget.lock();
        held.total -= self.bytes;
        if let Some(network) = held.by_network.get_mut(&self.network) {
            *network -= self.bytes;
            if *network == 0 {
                held.by_network.remove(&self.network);
            }
        }
    }
}

fn widest(client: IpAddr) -> IpAddr {
    client_networks(client)
        .last()
        .map_or(client, |network| network.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn budget() -> BodyBudget {
        BodyBudget::of(Shares {
            total: 100,
            kept_for_proved: 20,
            network: 30,
            first: 2,
            proved_network: 50,
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_network_is_refused_first() {
        let budget = budget();
        let mut one = budget.charge(address("2001:db8:1:1::1"), NOW);
        let mut same = budget.charge(address("2001:db8:1:ffff::1"), NOW);
        let mut other = budget.charge(address("192.0.2.1"), NOW);
        assert_eq!(one.grow(20), Ok(()));
        assert_eq!(same.grow(11), Err(Exhausted));
        assert_eq!(same.grow(10), Ok(()));
        assert_eq!(other.grow(30), Ok(()));
        drop(one);
        assert_eq!(same.grow(20), Ok(()));
    }

    #[test]
    fn strangers_together_leave_room_for_who_has_proved_itself() {
        let budget = budget();
        let relay = address("192.0.2.200");
        budget.proved(relay, NOW);
        let mut strangers: Vec<Charge> = (0..8_u8)
            .map(|n| budget.charge(IpAddr::from([203, 0, 113, n]), NOW))
            .collect();
        for stranger in &mut strangers {
            assert_eq!(stranger.grow(10), Ok(()));
        }
        assert_eq!(strangers[0].grow(1), Err(Exhausted));
        // A relay that has not proved itself yet can do so with a small request.
        let mut first = budget.charge(address("198.51.100.1"), NOW);
        assert_eq!(first.grow(2), Ok(()));
        assert_eq!(first.grow(1), Err(Exhausted));
        drop(first);
        // However many networks begin, half of what is kept stays for those that have proved themselves.
        let mut begun: Vec<Charge> = (0..20_u8)
            .map(|n| budget.charge(IpAddr::from([198, 51, 100, n]), NOW))
            .collect();
        let taken = begun.iter_mut().filter_map(|one| one.grow(2).ok()).count();
        assert_eq!(taken, 5);
        let mut known = budget.charge(relay, NOW);
        assert_eq!(known.grow(10), Ok(()));
        drop((begun, known));
        let mut relays = budget.charge(relay, NOW);
        assert_eq!(relays.grow(20), Ok(()));
        assert_eq!(relays.grow(1), Err(Exhausted));
        drop((strangers, relays));
        let later = Timestamp::from_secs(NOW.as_secs() + PROVED_FOR_SECS + 1);
        let mut forgotten = budget.charge(relay, later);
        assert_eq!(forgotten.grow(31), Err(Exhausted));
        assert_eq!(budget.lock().total, 0);
        assert!(budget.lock().by_network.is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let budget = budget();
        for n in 0..u32::try_from(MAX_PROVED).expect("small") + 10 {
            let now = Timestamp::from_secs(i64::from(n));
            budget.proved(IpAddr::from(std::net::Ipv4Addr::from(n)), now);
        }
        assert_eq!(budget.lock().proved_at.len(), MAX_PROVED);
    }
}
