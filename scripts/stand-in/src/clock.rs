//! The clock of a stand-in: the machine's time plus an offset that a test sets.
//!
//! A test moves the clock forward to make tokens and codes expire and rate limits refill at once. A
//! test stops the clock so that two answers carry the same time and can be compared byte by byte.

use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

/// The clock of one stand-in; clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    state: Arc<Mutex<ClockState>>,
}

#[derive(Debug, Default)]
struct ClockState {
    /// How far the clock was advanced in all.
    offset: Duration,
    /// The machine's time at which the clock was stopped.
    stopped_at: Option<OffsetDateTime>,
}

impl Clock {
    pub fn now(&self) -> OffsetDateTime {
        let state = self.lock();
        state.stopped_at.unwrap_or_else(machine_time) + state.offset
    }

    pub fn advance(&self, by: std::time::Duration) {
        self.lock().offset += by;
    }

    /// Stops the clock: from here on only [`advance`](Self::advance) moves it.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.stopped_at.get_or_insert_with(machine_time);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a stand-in reads the machine's clock"
)]
fn machine_time() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Clock;

    #[test]
    fn a_stopped_clock_moves_only_when_it_is_advanced() {
        let clock = Clock::default();
        clock.stop();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.clone().advance(Duration::from_secs(11));
        assert_eq!(clock.now() - before, Duration::from_secs(11));
    }
}
