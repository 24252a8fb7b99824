//! A limit on failures from one IPv4 address, or from one /64 network of IPv6.
//!
//! Failures are counted in the process, not in the store, because a write per failure would let an attacker load the
//! database. For relays, the limit protects only the log of this process: production refuses secrets that are short
//! enough to be guessed. A relay's proof is checked before the limit. A valid proof is never counted and never
//! refused, even from an address over its limit, so an attacker behind the same proxy cannot shut out a relay.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

use crate::client_network::client_network;
use crate::clock::Timestamp;

/// How many failures an address may have at once.
const BURST: u32 = 30;
/// The time after which an address may have one more failure.
const STEP: Duration = Duration::from_secs(2);
/// The longest wait. After [`BURST`] times [`STEP`] no remembered failure counts any more.
const MAX_WAIT_SECS: u32 = 60;
/// How many addresses are remembered. When the map is full, addresses whose failures no longer count are removed.
/// If there are none, a further address counts as over its limit, and its failure is not remembered.
const MAX_ADDRESSES: usize = 4_096;

/// Counts failures by address.
#[derive(Debug, Default)]
pub struct FailureLimiter {
    /// The time after which the failures of a network no longer count.
    clear_at: Mutex<HashMap<IpNet, Timestamp>>,
}

impl FailureLimiter {
    /// The seconds that an address over its limit has to wait; `None` for any other address. Counts nothing.
    pub fn wait_secs(&self, address: IpAddr, now: Timestamp) -> Option<u32> {
        let clear_at = *self.lock().get(&client_network(address))?;
        secs_over_limit(clear_at.plus(STEP), now)
    }

    /// Counts one failure, unless the address is over its limit: then returns the seconds that it has to wait.
    pub fn count(&self, address: IpAddr, now: Timestamp) -> Option<u32> {
        let network = client_network(address);
        let mut addresses = self.lock();
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&network) {
            addresses.retain(|_, clear_at| *clear_at > now);
            if addresses.len() >= MAX_ADDRESSES {
                return Some(MAX_WAIT_SECS);
            }
        }
        let clear_at = addresses.entry(network).or_insert(now);
        let next = (*clear_at).max(now).plus(STEP);
        let wait = secs_over_limit(next, now);
        if wait.is_none() {
            *clear_at = next;
        }
        wait
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpNet, Timestamp>> {
        self.clear_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn secs_over_limit(clear_at: Timestamp, now: Timestamp) -> Option<u32> {
    let excess_micros = clear_at.as_micros() - now.plus(STEP * BURST).as_micros();
    let wait = || u32::try_from(excess_micros.div_euclid(1_000_000) + 1);
    (excess_micros > 0).then(|| wait().unwrap_or(MAX_WAIT_SECS))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn an_address_over_its_limit_has_to_wait() {
        let limiter = FailureLimiter::default();
        let (one, other) = (
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from([192, 0, 2, 1]),
        );
        let now = Timestamp::from_secs(1_700_000_000);
        for _ in 0..BURST {
            assert_eq!(limiter.count(one, now), None);
        }
        assert_eq!(limiter.count(one, now), Some(3));
        assert_eq!(limiter.count(other, now), None);
        assert_eq!(limiter.count(one, now.plus(STEP)), None);
        assert!(limiter.count(one, now.plus(STEP)).is_some());
    }

    #[test]
    fn wait_secs_counts_nothing_and_is_none_for_an_unknown_address() {
        let limiter = FailureLimiter::default();
        let now = Timestamp::from_secs(1_700_000_000);
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(limiter.wait_secs(address, now), None);
        for _ in 0..BURST {
            limiter.count(address, now);
        }
        assert_eq!(limiter.wait_secs(address, now), Some(3));
        assert_eq!(limiter.wait_secs(address, now), Some(3));
        assert_eq!(limiter.wait_secs(address, now.plus(STEP)), None);
        assert_eq!(limiter.wait_secs(IpAddr::from([192, 0, 2, 2]), now), None);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let limiter = FailureLimiter::default();
        let now = Timestamp::from_secs(1_700_000_000);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 0..BURST {
            limiter.count(address(&format!("2001:db8::{n:x}")), now);
        }
        let same = limiter.count(address("2001:db8::ffff"), now);
        assert!(same.is_some());
        let next = limiter.count(address("2001:db8:0:1::1"), now);
        assert_eq!(next, None);
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = FailureLimiter::default();
        let now = Timestamp::from_secs(1_700_000_000);
        for n in 0..u32::try_from(MAX_ADDRESSES).unwrap() {
            limiter.count(IpAddr::from(Ipv4Addr::from(n)), now);
        }
        let stranger = IpAddr::from([255, 255, 255, 255]);
        assert!(limiter.count(stranger, now).is_some());
        assert_eq!(limiter.count(stranger, now.plus(STEP * 2)), None);
    }
}
