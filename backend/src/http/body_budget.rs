//! A budget of memory for the bodies of requests.
//!
//! A relay's signature covers the body, so a body is in memory before its sender is verified. All bodies that are being
//! read share one budget, which is charged while their bytes arrive. One network may use a small part of the budget, so
//! that a single attacker is refused first. Another part is reserved for the networks of verified relays, so that many
//! attackers together cannot keep a relay out. A network whose bodies in memory are small may also use half of the
//! reserved part: after a start, a relay is verified by its first small request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::client_network::client_networks;
use crate::clock::Timestamp;

/// How long a network counts as verified.
const VERIFIED_FOR_SECS: i64 = 24 * 3_600;
/// How many verified networks are remembered. If there are more, the one verified longest ago is forgotten.
const MAX_VERIFIED: usize = 1_024;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug)]
struct BudgetLimits {
    total: usize,
    /// The part of the total that is reserved for verified networks.
    reserved: usize,
    /// What one network that is not verified may hold in memory.
    per_network: usize,
    /// A network that is not verified may use half of the reserved part if it holds at most this in memory.
    small: usize,
    /// What one verified network may hold in memory.
    per_verified_network: usize,
}

const LIMITS: BudgetLimits = BudgetLimits {
    total: 32 << 20,
    reserved: 8 << 20,
    per_network: 4 << 20,
    small: 32 << 10,
    per_verified_network: 16 << 20,
};

/// The budget of memory for all bodies that are being read.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    limits: BudgetLimits,
    usage: Arc<Mutex<BudgetUsage>>,
}

#[derive(Debug, Default)]
struct BudgetUsage {
    /// The bytes of all bodies.
    total: usize,
    /// The bytes of the bodies from each network.
    by_network: HashMap<IpNet, usize>,
    /// When a network was last verified, in Unix seconds.
    verified_at: HashMap<IpNet, i64>,
}

/// The bytes of one body, which count against the memory budget of the client's network until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    budget: BodyBudget,
    network: IpNet,
    /// Whether the network counted as verified when the charge began.
    is_verified: bool,
    bytes: usize,
}

/// The budget has no room for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Default for BodyBudget {
    fn default() -> Self {
        Self::of(LIMITS)
    }
}

impl BodyBudget {
    fn of(limits: BudgetLimits) -> Self {
        Self {
            limits,
            usage: Arc::default(),
        }
    }

    /// An empty charge for a body that `client` is about to send.
    pub(super) fn begin_charge(&self, client: IpAddr, now: Timestamp) -> Charge {
        let network = widest_network(client);
        let verified_at = self.lock().verified_at.get(&network).copied();
        Charge {
            budget: self.clone(),
            network,
            is_verified: verified_at.is_some_and(|at| now.as_secs() - at <= VERIFIED_FOR_SECS),
            bytes: 0,
        }
    }

    /// Notes that a relay in the network of `client` was verified now.
    pub(super) fn mark_verified(&self, client: IpAddr, now: Timestamp) {
        let mut usage = self.lock();
        let network = widest_network(client);
        if usage.verified_at.len() >= MAX_VERIFIED
            && !usage.verified_at.contains_key(&network)
            && let Some((&oldest, _)) = usage.verified_at.iter().min_by_key(|(_, at)| **at)
        {
            usage.verified_at.remove(&oldest);
        }
        usage.verified_at.insert(network, now.as_secs());
    }

    fn lock(&self) -> MutexGuard<'_, BudgetUsage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// Adds `bytes` to the charge. If the budget has no room for them, adds nothing.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let limits = self.budget.limits;
        let mut usage = self.budget.lock();
        let of_network = usage.by_network.get(&self.network).copied().unwrap_or(0) + bytes;
        let (network_limit, total_limit) = if self.is_verified {
            (limits.per_verified_network, limits.total)
        } else if of_network <= limits.small {
            (limits.per_network, limits.total - limits.reserved / 2)
        } else {
            (limits.per_network, limits.total - limits.reserved)
        };
        if of_network > network_limit || usage.total + bytes > total_limit {
            return Err(Exhausted);
        }
        usage.total += bytes;
        usage.by_network.insert(self.network, of_network);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut usage = self.budget.lock();
        usage.total -= self.bytes;
        if let Some(of_network) = usage.by_network.get_mut(&self.network) {
            *of_network -= self.bytes;
            if *of_network == 0 {
                usage.by_network.remove(&self.network);
            }
        }
    }
}

/// The network in which a client is charged: the /48 of an IPv6 address, or an IPv4 address alone.
fn widest_network(client: IpAddr) -> IpNet {
    let widest = client_networks(client).last();
    widest.expect("every address has a network").range
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn budget() -> BodyBudget {
        BodyBudget::of(BudgetLimits {
            total: 100,
            reserved: 20,
            per_network: 30,
            small: 2,
            per_verified_network: 50,
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_network_cannot_use_the_budget_of_another() {
        let budget = budget();
        let mut first = budget.begin_charge(address("2001:db8:1:1::1"), NOW);
        let mut same_network = budget.begin_charge(address("2001:db8:1:ffff::1"), NOW);
        let mut other_network = budget.begin_charge(address("192.0.2.1"), NOW);
        assert_eq!(first.grow(20), Ok(()));
        assert_eq!(same_network.grow(11), Err(Exhausted));
        assert_eq!(same_network.grow(10), Ok(()));
        assert_eq!(other_network.grow(30), Ok(()));
        drop(first);
        assert_eq!(same_network.grow(20), Ok(()));
    }

    #[test]
    fn many_unverified_networks_leave_room_for_a_verified_one() {
        let budget = budget();
        let relay = address("192.0.2.200");
        budget.mark_verified(relay, NOW);
        let mut unverified: Vec<Charge> = (0..8_u8)
            .map(|n| budget.begin_charge(IpAddr::from([203, 0, 113, n]), NOW))
            .collect();
        for charge in &mut unverified {
            assert_eq!(charge.grow(10), Ok(()));
        }
        assert_eq!(unverified[0].grow(1), Err(Exhausted));
        // The first small request of another network is accepted.
        let mut first = budget.begin_charge(address("198.51.100.1"), NOW);
        assert_eq!(first.grow(2), Ok(()));
        assert_eq!(first.grow(1), Err(Exhausted));
        drop(first);
        // Small first requests of many networks use at most half of the reserved part.
        let mut first_requests: Vec<Charge> = (0..20_u8)
            .map(|n| budget.begin_charge(IpAddr::from([198, 51, 100, n]), NOW))
            .collect();
        let grown = first_requests
            .iter_mut()
            .filter_map(|charge| charge.grow(2).ok());
        assert_eq!(grown.count(), 5);
        let mut verified = budget.begin_charge(relay, NOW);
        assert_eq!(verified.grow(10), Ok(()));
        drop((first_requests, verified));
        let mut verified = budget.begin_charge(relay, NOW);
        assert_eq!(verified.grow(20), Ok(()));
        assert_eq!(verified.grow(1), Err(Exhausted));
        drop((unverified, verified));
        let later = Timestamp::from_secs(NOW.as_secs() + VERIFIED_FOR_SECS + 1);
        let mut expired = budget.begin_charge(relay, later);
        assert_eq!(expired.grow(31), Err(Exhausted));
        assert_eq!(budget.lock().total, 0);
        assert!(budget.lock().by_network.is_empty());
    }

    #[test]
    fn the_number_of_verified_networks_is_bounded() {
        let budget = budget();
        for n in 0..u32::try_from(MAX_VERIFIED).expect("small") + 10 {
            let now = Timestamp::from_secs(i64::from(n));
            budget.mark_verified(IpAddr::from(std::net::Ipv4Addr::from(n)), now);
        }
        assert_eq!(budget.lock().verified_at.len(), MAX_VERIFIED);
    }
}
