//! Limits how often the same line is logged.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// Allows the first call, and then one call in each interval.
#[derive(Debug)]
pub(crate) struct Throttle {
    interval: Duration,
    /// The last allowed call, in microseconds since 1970.
    last: AtomicI64,
}

impl Throttle {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether this call is allowed. An allowed call starts a new interval. If several threads call at once, only one
    /// of them gets `true`.
    pub(crate) fn take_turn(&self, now: Timestamp) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let is_due = last == i64::MIN || now >= Timestamp::from_micros(last).plus(self.interval);
        let now = now.as_micros();
        is_due
            && self
                .last
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_call_is_allowed_and_then_one_call_in_each_interval() {
        let throttle = Throttle::new(Duration::from_mins(1));
        let take_turn = |secs| throttle.take_turn(Timestamp::from_secs(secs));
        assert!(take_turn(1_000));
        assert!(!take_turn(1_000));
        assert!(!take_turn(1_059));
        assert!(take_turn(1_060));
        assert!(!take_turn(1_061));
        assert!(!take_turn(10), "the clock was set back");
    }
}
