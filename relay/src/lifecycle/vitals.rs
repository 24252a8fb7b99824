//! Signs of life, written down for `status`, which is another process.
//!
//! Ages are measured by a clock that no one sets and that stands still while the Mac sleeps, so a wall
//! clock that jumps neither ages nor rejuvenates anything. Only the time of writing is the wall
//! clock's, and it is written anew within seconds of a jump. A relay that is stopped, hangs, or cannot
//! write its state leaves an old record: that is what `status` tells it by.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crash_point::crash_point;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::clock::{Clock, UnixMicros};
use crate::config::{Auth, Link};
use crate::pipeline::PipelineHealth;
use crate::state::{State, StateError, meta};

/// How often the signs of life are looked at. What changed is written at once.
pub const LOOK: Duration = Duration::from_secs(2);
/// How often they are written when nothing changes.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// chat.db is swept every minute, and the rest is for a loaded machine. A pipeline that has not read for
/// longer does not do what the relay promises.
pub const SCAN_OVERDUE: Duration = Duration::from_secs(90);
/// How long a relay may take to read and to be answered for the first time.
pub const STARTING: Duration = Duration::from_mins(1);

/// The signs of life as they were when they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vitals {
    /// When that was, microseconds since 1970 by the wall clock.
    pub written_at: i64,
    /// How long the relay had run.
    pub up_secs: u64,
    /// How long before chat.db had been read without an error; none if it never was.
    pub scan_secs_ago: Option<u64>,
    /// How long before the backend had answered a pull; none if it never did.
    pub pull_secs_ago: Option<u64>,
    /// Whether this relay pulls; one that authenticates by bearer does not. Deliveries of one that does
    /// wait for its first pull to be answered.
    pub pulls: bool,
}

impl Vitals {
    /// Those of a relay that begins.
    fn at_start(link: &Link, now: UnixMicros) -> Self {
        Self {
            written_at: now.as_micros(),
            up_secs: 0,
            scan_secs_ago: None,
            pull_secs_ago: None,
            pulls: link.auth == Auth::Hmac,
        }
    }

    /// What was written last; none by relays of before this was written.
    pub fn load(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let json = meta::get(connection, meta::VITALS)?;
        Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
    }

    fn save(&self, tx: &Connection) -> rusqlite::Result<()> {
        let json = serde_json::to_string(self).expect("plain fields");
        meta::set(tx, meta::VITALS, &json)
    }
}

/// Writes the signs of life of a relay that begins, and takes back what troubled the one before: each
/// trouble that lasts is told again. Fails where the state cannot be written.
pub(super) fn begin(state: &State, link: &Link, now: UnixMicros) -> Result<Vitals, StateError> {
    let vitals = Vitals::at_start(link, now);
    state.write(|tx| {
        for key in [meta::DELIVERY, meta::PULL, meta::READING] {
            meta::remove(tx, key)?;
        }
        vitals.save(tx)
    })?;
    Ok(vitals)
}

/// Where the signs of life are taken.
pub(super) struct Signs {
    pub(super) state: Arc<State>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) health: Arc<PipelineHealth>,
    /// When the backend last answered a pull.
    pub(super) answered: watch::Receiver<Option<Instant>>,
}

impl Signs {
    /// Writes them down for as long as the relay runs. `vitals` is what [`begin`] has written.
    pub(super) async fn follow(self, vitals: Vitals) {
        let started = Instant::now();
        let mut written = (vitals, "");
        let mut scan: Option<(i64, Instant)> = None;
        loop {
            // The thread that reads tells times of the wall clock; a new one is one of just now.
            if let Some(at) = self.health.last_good_scan()
                && scan.is_none_or(|(known, _)| known != at)
            {
                scan = Some((at, Instant::now()));
            }
            let trouble = self.health.trouble().unwrap_or_default();
            let pulled = *self.answered.borrow();
            let ago = |at: Instant| at.elapsed().as_secs();
            let vitals = Vitals {
                written_at: self.clock.now().as_micros(),
                up_secs: ago(started),
                scan_secs_ago: scan.map(|(_, at)| ago(at)),
                pull_secs_ago: pulled.map(ago),
                ..written.0
            };
            let troubles_changed = trouble != written.1;
            if troubles_changed || is_news(&vitals, &written.0) {
                let (state, kept) = (Arc::clone(&self.state), vitals.clone());
                let writing = move || {
                    crash_point("vitals");
                    state.write(|tx| {
                        if troubles_changed {
                            meta::set(tx, meta::READING, trouble)?;
                        }
                        kept.save(tx)
                    })
                };
                match tokio::task::spawn_blocking(writing).await {
                    Ok(Ok(())) => written = (vitals, trouble),
                    Ok(Err(error)) => tracing::debug!(%error, "the signs of life are not written"),
                    Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Whether `now` must be written though `written` was: it is time again, the clock was set, or
/// something happened for the first time.
fn is_news(now: &Vitals, written: &Vitals) -> bool {
    let passed = now.written_at.saturating_sub(written.written_at);
    let due = Duration::from_micros(u64::try_from(passed).unwrap_or(u64::MAX)) >= WRITE_EVERY;
    let first = |now: Option<u64>, written: Option<u64>| now.is_some() && written.is_none();
    due || first(now.scan_secs_ago, written.scan_secs_ago)
        || first(now.pull_secs_ago, written.pull_secs_ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vitals(written_at_secs: i64) -> Vitals {
        Vitals {
            written_at: UnixMicros::from_secs(written_at_secs).as_micros(),
            up_secs: 100,
            scan_secs_ago: Some(3),
            pull_secs_ago: None,
            pulls: true,
        }
    }

    #[test]
    fn they_are_written_now_and_then_and_whenever_the_clock_was_set() {
        let written = vitals(1000);
        assert!(!is_news(&vitals(1000), &written));
        assert!(!is_news(&vitals(1009), &written));
        assert!(is_news(&vitals(1010), &written));
        assert!(is_news(&vitals(999), &written), "set back");
        assert!(is_news(&vitals(1_000_000), &written), "set ahead");
        let answered = Vitals {
            pull_secs_ago: Some(0),
            ..vitals(1001)
        };
        assert!(is_news(&answered, &written), "the first answer");
    }
}
