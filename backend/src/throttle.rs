//! How often a line that would fill the log is written.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// Lets the first of many through, and then one in each interval.
#[derive(Debug)]
pub(crate) struct Throttle {
    every: Duration,
    /// Microseconds since 1970.
    last: AtomicI64,
}

impl Throttle {
    /// One in every `every`.
    pub(crate) const fn new(every: Duration) -> Self {
        Self {
            every,
            last: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether it is time again. Of several callers at once it is for one of them.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        let is_due = last == i64::MIN || now >= Timestamp::from_micros(last).plus(self.every);
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
    fn the_first_and_then_one_an_interval() {
        let throttle = Throttle::new(Duration::from_mins(1));
        let is_due = |secs| throttle.is_due(Timestamp::from_secs(secs));
        assert!(is_due(1_000));
        assert!(!is_due(1_000));
        assert!(!is_due(1_059));
        assert!(is_due(1_060));
        assert!(!is_due(1_061));
        assert!(!is_due(10), "a clock that is set back");
    }
}
