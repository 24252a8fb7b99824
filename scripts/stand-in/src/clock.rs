//! The time a stand-in lives in: the machine's, moved by a test.
//!
//! Moving it forward makes tokens expire, codes lapse and buckets refill at once. Stopped, it makes
//! two answers of one second comparable byte by byte.

use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

#[derive(Debug, Clone, Default)]
pub struct Clock {
    reading: Arc<Mutex<Reading>>,
}

#[derive(Debug, Default)]
struct Reading {
    ahead: Duration,
    stopped_at: Option<OffsetDateTime>,
}

impl Clock {
    pub fn now(&self) -> OffsetDateTime {
        let reading = self.reading();
        reading.stopped_at.unwrap_or_else(machine_time) + reading.ahead
    }

    pub fn advance(&self, by: std::time::Duration) {
        self.reading().ahead += by;
    }

    /// Stops the clock: from here on only [`advance`](Self::advance) moves it.
    pub fn stop(&self) {
        let mut reading = self.reading();
        reading.stopped_at.get_or_insert_with(machine_time);
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn a_stopped_clock_moves_only_when_told() {
        let clock = Clock::default();
        clock.stop();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.clone().advance(Duration::from_secs(11));
        assert_eq!(clock.now() - before, Duration::from_secs(11));
    }
}
