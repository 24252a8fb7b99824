//! How often one address may fail to prove itself.
//!
//! Kept in the process, not in the store: a failed signature has changed nothing, guessing a 24-byte
//! secret is hopeless at any rate, and a write per failure would let a stranger load the database.
//! What the limit protects is the log, which is this process's own, and it is reached only after a
//! proof has failed: a good one is never counted and never refused, also from an address that is over
//! its limit, so a stranger behind the same proxy cannot shut a relay out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::client_network::client_network;
use crate::clock::Timestamp;

/// Failures that an address may have at once.
const BURST: u32 = 30;
/// Time after which one more is allowed.
const STEP: Duration = Duration::from_secs(2);
/// Addresses remembered; beyond it those whose failures are over are forgotten first.
const MAX_ADDRESSES: usize = 4_096;

/// Counts failures by address.
#[derive(Debug, Default)]
pub struct FailureLimiter {
    /// When the failures of an address so far will have been worked off.
    settled_at: Mutex<HashMap<IpAddr, Timestamp>>,
}

/// What to answer to a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Say what was wrong.
    Tell,
    /// Say when to come back, and log nothing.
    Wait {
        /// Seconds.
        retry_after: u32,
    },
}

impl FailureLimiter {
    /// How long, in seconds, an address that is over its limit has to wait. Counts nothing.
    pub fn waits(&self, address: IpAddr, now: Timestamp) -> Option<u32> {
        let settled_at = self
            .settled_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let settled = *settled_at.get(&client_network(address))?;
        let over = settled.plus(STEP).as_micros() - now.plus(STEP * BURST).as_micros();
        (over > 0).then(|| u32::try_from(over.div_euclid(1_000_000) + 1).unwrap_or(60))
    }

    /// Counts one failure of `address`.
    pub fn count(&self, address: IpAddr, now: Timestamp) -> Verdict {
        let address = client_network(address);
        let mut settled_at = self
            .settled_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if settled_at.len() >= MAX_ADDRESSES && !settled_at.contains_key(&address) {
            settled_at.retain(|_, settled| *settled > now);
            if settled_at.len() >= MAX_ADDRESSES {
                return Verdict::Wait { retry_after: 60 };
            }
        }
        let settled = settled_at.entry(address).or_insert(now);
        let next = (*settled).max(now).plus(STEP);
        let limit = now.plus(STEP * BURST);
        if next > limit {
            let wait = next.as_micros() - limit.as_micros();
            let retry_after = u32::try_from(wait.div_euclid(1_000_000) + 1).unwrap_or(60);
            return Verdict::Wait { retry_after };
        }
        *settled = next;
        Verdict::Tell
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_burst_is_told_and_then_slowed_down() {
        let limiter = FailureLimiter::default();
        let (one, other) = (
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from([192, 0, 2, 1]),
        );
        let now = Timestamp::from_secs(1_700_000_000);
        for _ in 0..BURST {
            assert_eq!(limiter.count(one, now), Verdict::Tell);
        }
        assert_eq!(limiter.count(one, now), Verdict::Wait { retry_after: 3 });
        assert_eq!(limiter.count(other, now), Verdict::Tell);
        assert_eq!(limiter.count(one, now.plus(STEP)), Verdict::Tell);
        assert!(matches!(
            limiter.count(one, now.plus(STEP)),
            Verdict::Wait { .. }
        ));
    }

    #[test]
    fn looking_counts_nothing_and_strangers_do_not_wait() {
        let limiter = FailureLimiter::default();
        let now = Timestamp::from_secs(1_700_000_000);
        let address = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(limiter.waits(address, now), None);
        for _ in 0..BURST {
            limiter.count(address, now);
        }
        assert_eq!(limiter.waits(address, now), Some(3));
        assert_eq!(limiter.waits(address, now), Some(3));
        assert_eq!(limiter.waits(address, now.plus(STEP)), None);
        assert_eq!(limiter.waits(IpAddr::from([192, 0, 2, 2]), now), None);
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
        assert!(matches!(same, Verdict::Wait { .. }));
        let next = limiter.count(address("2001:db8:0:1::1"), now);
        assert_eq!(next, Verdict::Tell);
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = FailureLimiter::default();
        let now = Timestamp::from_secs(1_700_000_000);
        for n in 0..u32::try_from(MAX_ADDRESSES).unwrap() {
            limiter.count(IpAddr::from(Ipv4Addr::from(n)), now);
        }
        let stranger = IpAddr::from([255, 255, 255, 255]);
        assert!(matches!(limiter.count(stranger, now), Verdict::Wait { .. }));
        assert_eq!(limiter.count(stranger, now.plus(STEP * 2)), Verdict::Tell);
    }
}
