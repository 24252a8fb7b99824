//! Whether the backend as a whole may be sent to: open, closed until an instant, or ajar for a probe.
//!
//! An outage is noticed by two failures in a row, so that one message that kills its own connection
//! closes nothing. Requests that were under way together tell the same news once: each carries the
//! epoch it was sent in, and only news of the present epoch count.

use std::time::{Duration, Instant};

/// The gate before the backend.
#[derive(Debug, Default)]
pub struct Gate {
    epoch: u64,
    failures: u32,
    closed_until: Option<Instant>,
}

impl Gate {
    /// The epoch that requests sent now belong to.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many of `limit` requests may be under way at `now`.
    pub fn allowance(&self, now: Instant, limit: usize) -> usize {
        match self.closed_until {
            None => limit,
            Some(until) if now < until => 0,
            Some(_) => limit.min(1),
        }
    }

    /// When the next probe is due, if the gate is closed.
    pub fn opens_at(&self) -> Option<Instant> {
        self.closed_until
    }

    /// The backend answered.
    pub fn succeeded(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.failures = 0;
            self.closed_until = None;
        }
    }

    /// It failed as a whole: counts once an epoch, and says how often in a row if this was the time.
    pub fn failed(&mut self, epoch: u64) -> Option<u32> {
        if epoch != self.epoch {
            return None;
        }
        self.epoch += 1;
        self.failures += 1;
        Some(self.failures)
    }

    /// Closes it for `wait` from `now`.
    pub fn close(&mut self, now: Instant, wait: Duration) {
        self.epoch += 1;
        self.closed_until = Some(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn closed_then_ajar_then_open() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        assert_eq!(gate.allowance(now, 32), 32);
        gate.close(now, SECOND);
        assert_eq!(gate.allowance(now, 32), 0);
        assert_eq!(gate.allowance(now + SECOND, 32), 1, "one probe");
        gate.succeeded(gate.epoch());
        assert_eq!(gate.allowance(now, 32), 32);
    }

    #[test]
    fn requests_that_were_under_way_together_count_once() {
        let mut gate = Gate::default();
        let epoch = gate.epoch();
        assert_eq!(gate.failed(epoch), Some(1));
        assert_eq!(gate.failed(epoch), None);
        assert_eq!(gate.failed(gate.epoch()), Some(2));
        gate.succeeded(epoch);
        assert_eq!(
            gate.failed(gate.epoch()),
            Some(3),
            "an old success opens nothing"
        );
        gate.succeeded(gate.epoch());
        assert_eq!(gate.failed(gate.epoch()), Some(1));
    }
}
