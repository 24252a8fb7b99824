//! A budget of memory for bodies whose sender is not verified yet.
//!
//! A signature covers the body, so a body is in memory before its sender is verified. All such bodies share one
//! budget, which is charged while their bytes arrive. One network may use a small part of the budget, so that a
//! single attacker is refused first. Another part is reserved for networks of verified relays, so that many
//! attackers together cannot keep a relay out. The first bytes of every network may use half of the reserved part,
//! because a relay needs one small request to be verified after a start.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use crate::client_network::client_networks;
use crate::clock::Timestamp;

/// How long a network counts as verified.
const VERIFIED_FOR_SECS: i64 = 24 * 3_600;
/// How many verified networks are remembered. Beyond it, the oldest is forgotten.
const MAX_VERIFIED: usize = 1_024;

/// Sizes in bytes.
#[derive(Clone, Copy, Debug)]
struct BudgetLimits {
    total: usize,
    /// The part of the total that is reserved for verified networks.
    reserved: usize,
    /// The budget of one network that is not verified.
    network: usize,
    /// The size of a network's first bytes, which may use half of the reserved part.
    first: usize,
    /// The budget of one verified network.
    verified_network: usize,
}

const LIMITS: BudgetLimits = BudgetLimits {
    total: 32 << 20,
    reserved: 8 << 20,
    network: 4 << 20,
    first: 32 << 10,
    verified_network: 16 << 20,
};

/// The budget for all bodies whose sender is not verified yet.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    limits: BudgetLimits,
    usage: Arc<Mutex<BudgetUsage>>,
}

#[derive(Debug, Default)]
struct BudgetUsage {
    total: usize,
    by_network: HashMap<IpNet, usize>,
    /// When a network was last verified, in Unix seconds.
    verified_at: HashMap<IpNet, i64>,
}

/// The bytes of one body in the budget. Dropping it frees them.
#[derive(Debug)]
pub(super) struct Charge {
    budget: BodyBudget,
    network: IpNet,
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

    /// The charge for a body that `client` is about to send.
    pub(super) fn charge(&self, client: IpAddr, now: Timestamp) -> Charge {
        let network = widest_network(client);
        let verified_at = self.lock().verified_at.get(&network).copied();
        Charge {
            budget: self.clone(),
            network,
            is_verified: verified_at.is_some_and(|at| now.as_secs() - at <= VERIFIED_FOR_SECS),
            bytes: 0,
        }
    }

    /// Marks the network of `client` as verified.
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
    /// Adds `bytes` to the charge.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let limits = self.budget.limits;
        let mut usage = self.budget.lock();
        let network = usage.by_network.get(&self.network).copied().unwrap_or(0);
        let (network_limit, total_limit) = if self.is_verified {
            (limits.verified_network, limits.total)
        } else if network + bytes <= limits.first {
            (limits.network, limits.total - limits.reserved / 2)
        } else {
            (limits.network, limits.total - limits.reserved)
        };
        if network + bytes > network_limit || usage.total + bytes > total_limit {
            return Err(Exhausted);
        }
        usage.total += bytes;
        usage.by_network.insert(self.network, network + bytes);
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
        if let Some(network) = usage.by_network.get_mut(&self.network) {
            *network -= self.bytes;
            if *network == 0 {
                usage.by_network.remove(&self.network);
            }
        }
    }
}

/// The widest network of a client, which has one budget.
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
            network: 30,
            first: 2,
            verified_network: 50,
        })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_network_cannot_use_the_budget_of_another() {
        let budget = budget();
        let mut first = budget.charge(address("2001:db8:1:1::1"), NOW);
        let mut same_network = budget.charge(address("2001:db8:1:ffff::1"), NOW);
        let mut other_network = budget.charge(address("192.0.2.1"), NOW);
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
            .map(|n| budget.charge(IpAddr::from([203, 0, 113, n]), NOW))
            .collect();
        for charge in &mut unverified {
            assert_eq!(charge.grow(10), Ok(()));
        }
        assert_eq!(unverified[0].grow(1), Err(Exhausted));
        // The first small request of another network is accepted.
        let mut first = budget.charge(address("198.51.100.1"), NOW);
        assert_eq!(first.grow(2), Ok(()));
        assert_eq!(first.grow(1), Err(Exhausted));
        drop(first);
        // First requests of many networks use at most half of the reserved part.
        let mut first_requests: Vec<Charge> = (0..20_u8)
            .map(|n| budget.charge(IpAddr::from([198, 51, 100, n]), NOW))
            .collect();
        let grown = first_requests
            .iter_mut()
            .filter_map(|charge| charge.grow(2).ok());
        assert_eq!(grown.count(), 5);
        let mut verified = budget.charge(relay, NOW);
        assert_eq!(verified.grow(10), Ok(()));
        drop((first_requests, verified));
        let mut verified = budget.charge(relay, NOW);
        assert_eq!(verified.grow(20), Ok(()));
        assert_eq!(verified.grow(1), Err(Exhausted));
        drop((unverified, verified));
        let later = Timestamp::from_secs(NOW.as_secs() + VERIFIED_FOR_SECS + 1);
        let mut expired = budget.charge(relay, later);
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
