//! A gate in front of the backend, which works like a circuit breaker. An open gate lets all posts through. A closed
//! gate lets no post through until an instant, and after that instant one post as a probe.
//!
//! The sender closes the gate after two failures in a row, so that one message that breaks its own
//! connection does not close it. It closes the gate at once if the backend asks for a wait or refuses this relay
//! as a whole. Requests that fail at the same time count as one failure: each belongs to
//! the epoch in which it was sent, and only results of the current epoch count.

use std::time::{Duration, Instant};

/// The gate. It is open at first.
#[derive(Debug, Default)]
pub struct Gate {
    epoch: u64,
    failures: u32,
    closed_until: Option<Instant>,
}

impl Gate {
    /// The epoch of requests that are sent now.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many of `limit` requests may be in flight at `now`.
    pub fn allowance(&self, now: Instant, limit: usize) -> usize {
        match self.closed_until {
            None => limit,
            Some(until) if now < until => 0,
            Some(_) => limit.min(1),
        }
    }

    /// When a closed gate lets a probe through; `None` if the gate is open.
    pub fn opens_at(&self) -> Option<Instant> {
        self.closed_until
    }

    /// Opens the gate, because the backend answered a request. An answer to a request of an earlier epoch changes
    /// nothing.
    pub fn succeeded(&mut self, epoch: u64) {
        if epoch == self.epoch {
            self.failures = 0;
            self.closed_until = None;
        }
    }

    /// Counts a failure of the backend, once in each epoch. Returns the number of failures in a row, or `None`
    /// if a failure of this epoch was counted already.
    pub fn failed(&mut self, epoch: u64) -> Option<u32> {
        if epoch != self.epoch {
            return None;
        }
        self.epoch += 1;
        self.failures += 1;
        Some(self.failures)
    }

    /// Closes the gate for `wait`. Requests in flight can then no longer open it.
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
    fn a_closed_gate_lets_one_probe_through_and_a_success_opens_it() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        assert_eq!(gate.allowance(now, 32), 32);
        gate.close(now, SECOND);
        assert_eq!(gate.allowance(now, 32), 0);
        assert_eq!(gate.allowance(now + SECOND, 32), 1, "one probe");
        gate.succeeded(gate.epoch());
        assert_eq!(gate.allowance(now, 32), 32);
    }

    #[test]
    fn failures_of_one_epoch_count_once() {
        let mut gate = Gate::default();
        let epoch = gate.epoch();
        assert_eq!(gate.failed(epoch), Some(1));
        assert_eq!(gate.failed(epoch), None);
        assert_eq!(gate.failed(gate.epoch()), Some(2));
        gate.succeeded(epoch);
        assert_eq!(
            gate.failed(gate.epoch()),
            Some(3),
            "a success of an old epoch changes nothing"
        );
        gate.succeeded(gate.epoch());
        assert_eq!(gate.failed(gate.epoch()), Some(1));
    }
}
