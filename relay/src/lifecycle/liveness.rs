//! A record that shows whether the relay is alive, written into the state for `status`, which is another process.
//!
//! The ages in the record are measured by the monotonic clock, which cannot be set and which stops while the
//! Mac sleeps. So a jump of the wall clock changes no age. Only the time of writing is wall-clock time, and the
//! record is written again within seconds of a jump. A relay that is stopped, hangs, or cannot write its
//! state leaves an old record, by which `status` detects it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crash_point::crash_point;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::blocking::run_blocking;
use crate::clock::{Clock, UnixMicros};
use crate::config::{Auth, BackendConfig};
use crate::pipeline::PipelineHandle;
use crate::state::{State, StateError, meta};

/// How often the relay checks whether the record must be written.
pub const CHECK_EVERY: Duration = Duration::from_secs(2);
/// How often the record is written while nothing changes.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// How long after the last reading of chat.db `status` reports trouble. chat.db is read at least once a minute;
/// the other 30 s are for a loaded machine.
pub const SCAN_OVERDUE: Duration = Duration::from_secs(90);
/// How long after the start the first reading of chat.db and the first answer to a pull may take.
pub const STARTUP_LIMIT: Duration = Duration::from_mins(1);

/// The liveness record. The state has it as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// When the record was written, in microseconds since 1970 by the wall clock.
    pub written_at: i64,
    /// How long the relay had run when the record was written.
    pub up_secs: u64,
    /// Time since chat.db was last read without an error; `None` before the first time.
    pub scan_secs_ago: Option<u64>,
    /// Time since the backend last answered a pull; `None` before the first time.
    pub pull_secs_ago: Option<u64>,
    /// Whether this relay pulls. A bearer relay does not. A relay that pulls delivers nothing before the first
    /// answer to a pull.
    pub pulls: bool,
}

impl Liveness {
    /// The last record. `None` if no relay has run on this state, or only one of a version that wrote no record
    /// or wrote it in another form.
    pub fn load(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        meta::json(connection, meta::LIVENESS)
    }

    fn save(&self, tx: &Connection) -> rusqlite::Result<()> {
        meta::set_json(tx, meta::LIVENESS, self)
    }
}

/// Writes the first record of a relay that starts, and removes the troubles that the last run has written:
/// troubles that last are reported again. Fails if the state cannot be written.
pub(super) fn begin(
    state: &State,
    backend: &BackendConfig,
    now: UnixMicros,
) -> Result<Liveness, StateError> {
    let liveness = Liveness {
        written_at: now.as_micros(),
        up_secs: 0,
        scan_secs_ago: None,
        pull_secs_ago: None,
        pulls: backend.auth == Auth::Hmac,
    };
    state.write(|tx| {
        for key in [meta::DELIVERY, meta::PULL, meta::READING] {
            meta::remove(tx, key)?;
        }
        liveness.save(tx)
    })?;
    Ok(liveness)
}

/// The loop that writes the liveness record.
pub(super) struct LivenessWriter {
    pub(super) state: Arc<State>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) pipeline_handle: Arc<PipelineHandle>,
    /// When the backend last answered a pull; `None` before the first time.
    pub(super) pull_answered_at: watch::Receiver<Option<Instant>>,
}

impl LivenessWriter {
    /// Keeps the record current for as long as the relay runs. `first` is what [`begin`] has written.
    pub(super) async fn run(self, first: Liveness) {
        let started = Instant::now();
        let (mut written, mut written_trouble) = (first, "");
        // The wall-clock time of the last reading, and when this loop noticed it.
        let mut last_scan: Option<(i64, Instant)> = None;
        loop {
            // The reading thread records wall-clock times. A time that has changed was recorded just now.
            if let Some(at) = self.pipeline_handle.last_good_scan()
                && last_scan.is_none_or(|(last_at, _)| last_at != at)
            {
                last_scan = Some((at, Instant::now()));
            }
            let trouble = self.pipeline_handle.trouble().unwrap_or_default();
            let pull_answered_at = *self.pull_answered_at.borrow();
            let ago = |at: Instant| at.elapsed().as_secs();
            let liveness = Liveness {
                written_at: self.clock.now().as_micros(),
                up_secs: ago(started),
                scan_secs_ago: last_scan.map(|(_, noticed_at)| ago(noticed_at)),
                pull_secs_ago: pull_answered_at.map(ago),
                ..written
            };
            let trouble_changed = trouble != written_trouble;
            if trouble_changed || must_write(&liveness, &written) {
                let (state, record) = (Arc::clone(&self.state), liveness.clone());
                let result = run_blocking(move || {
                    crash_point("vitals");
                    state.write(|tx| {
                        if trouble_changed {
                            meta::set(tx, meta::READING, trouble)?;
                        }
                        record.save(tx)
                    })
                });
                match result.await {
                    Ok(()) => (written, written_trouble) = (liveness, trouble),
                    Err(error) => {
                        tracing::debug!(%error, "the liveness record could not be written");
                    }
                }
            }
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }
}

/// Whether `next` must be written in place of `written`: `written` is old, the wall clock was set, or chat.db
/// was read or a pull was answered for the first time.
fn must_write(next: &Liveness, written: &Liveness) -> bool {
    let passed = next.written_at.saturating_sub(written.written_at);
    // A negative time means that the clock was set back, and counts as a long one.
    let is_due = Duration::from_micros(u64::try_from(passed).unwrap_or(u64::MAX)) >= WRITE_EVERY;
    let is_first = |next: Option<u64>, written: Option<u64>| next.is_some() && written.is_none();
    is_due
        || is_first(next.scan_secs_ago, written.scan_secs_ago)
        || is_first(next.pull_secs_ago, written.pull_secs_ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn liveness(written_at_secs: i64) -> Liveness {
        Liveness {
            written_at: UnixMicros::from_secs(written_at_secs).as_micros(),
            up_secs: 100,
            scan_secs_ago: Some(3),
            pull_secs_ago: None,
            pulls: true,
        }
    }

    #[test]
    fn a_record_is_due_after_ten_seconds_a_clock_change_or_a_first_answer() {
        let written = liveness(1000);
        assert!(!must_write(&liveness(1000), &written));
        assert!(!must_write(&liveness(1009), &written));
        assert!(must_write(&liveness(1010), &written));
        assert!(must_write(&liveness(999), &written), "set back");
        assert!(must_write(&liveness(1_000_000), &written), "set ahead");
        let answered = Liveness {
            pull_secs_ago: Some(0),
            ..liveness(1001)
        };
        assert!(must_write(&answered, &written), "the first answer");
    }
}
