//! Decides from the stored facts whether a relay is well, and why not.
//!
//! A relay that is stopped, hangs, or cannot write its state does not report that. So the relay is not well
//! if something that happens every minute was not recorded for longer. It is not well either if its record
//! has a time in the future: a relay that fell silent before the clock was set back would otherwise look well
//! until the clock reaches that time.

use std::time::Duration;

use crate::backend::availability::TroubleStatus;
use crate::clock::UnixMicros;
use crate::lifecycle::liveness::{Liveness, SCAN_OVERDUE, STARTUP_LIMIT};
use crate::pull::ANSWER_OVERDUE;

/// A record is accepted if its time is at most this far in the future.
const CLOCK_SLACK: Duration = Duration::from_secs(5);
/// With less free space than this on its disk, the state counts as unable to grow.
const MIN_FREE_BYTES: u64 = 1024 * 1024;

/// Why a relay is not well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) code: String,
    /// The reason and its remedy, for people.
    pub(super) text: String,
    /// Whether a clock that was just set, or a Mac that just woke, can be the cause. If so, the relay writes
    /// a new record within seconds.
    pub(super) may_pass: bool,
}

/// What the state and the system know about a relay.
#[derive(Clone, Debug, Default)]
pub(super) struct RelayFacts {
    /// Whether a process holds the lock of the state.
    pub(super) running: bool,
    /// The last record that the relay is alive.
    pub(super) liveness: Option<Liveness>,
    /// Whether the relay reads chat.db only after the backend's first answer, which has not come yet.
    pub(super) waits_for_backend: bool,
    pub(super) delivery: TroubleStatus,
    pub(super) pull: TroubleStatus,
    /// Code of the error that keeps chat.db from being read.
    pub(super) reading_trouble: Option<String>,
    /// Free space on the disk of the state.
    pub(super) free_disk_bytes: Option<u64>,
}

/// When something happened, and how long ago that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PastEvent {
    pub(super) age: Duration,
    pub(super) at: UnixMicros,
}

impl RelayFacts {
    /// How long ago the liveness record was written; zero if its time is in the future.
    fn silence(&self, now: UnixMicros) -> Duration {
        self.liveness.as_ref().map_or(Duration::ZERO, |liveness| {
            now.since(UnixMicros::from_micros(liveness.written_at))
        })
    }

    /// An event whose age is in the record, with its age at `now`.
    fn event(
        &self,
        secs_ago: impl Fn(&Liveness) -> Option<u64>,
        now: UnixMicros,
    ) -> Option<PastEvent> {
        let liveness = self.liveness.as_ref()?;
        let ago = Duration::from_secs(secs_ago(liveness)?);
        Some(PastEvent {
            age: ago.saturating_add(self.silence(now)),
            at: UnixMicros::from_micros(liveness.written_at).minus(ago),
        })
    }

    /// When chat.db was last read.
    pub(super) fn last_scan(&self, now: UnixMicros) -> Option<PastEvent> {
        self.event(|liveness| liveness.scan_secs_ago, now)
    }

    /// When the backend last answered a pull.
    pub(super) fn last_answer(&self, now: UnixMicros) -> Option<PastEvent> {
        self.event(|liveness| liveness.pull_secs_ago, now)
    }

    /// Whether the relay pulls. A relay without a record counts as a relay that pulls.
    pub(super) fn pulls(&self) -> bool {
        self.liveness.as_ref().is_none_or(|liveness| liveness.pulls)
    }

    /// Whether the relay has run for less than a minute, and has not read chat.db yet or has no answer to a pull
    /// yet.
    pub(super) fn is_starting(&self, now: UnixMicros) -> bool {
        let Some(liveness) = self.liveness.as_ref().filter(|_| self.running) else {
            return false;
        };
        let up = Duration::from_secs(liveness.up_secs).saturating_add(self.silence(now));
        let has_no_answer = liveness.pulls && liveness.pull_secs_ago.is_none();
        up < STARTUP_LIMIT && (liveness.scan_secs_ago.is_none() || has_no_answer)
    }

    /// Every reason why the relay is not well at `now`.
    pub(super) fn reasons(&self, now: UnixMicros) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self
            .free_disk_bytes
            .is_some_and(|free| free < MIN_FREE_BYTES)
        {
            let text = "the disk that holds the relay's state is full; make space, the relay goes on \
                        by itself";
            reasons.push(lasting("state_disk_full", text));
        }
        if !self.running {
            // All other stored facts are from before the relay stopped.
            reasons.push(lasting(
                "not_running",
                "no relay runs on this state; start it with `archety-relay run`",
            ));
            return reasons;
        }
        if let Some(code) = &self.reading_trouble {
            let text = format!("chat.db cannot be read ({code}); the relay's log says more");
            reasons.push(lasting(code, text));
        }
        for status in [&self.pull, &self.delivery] {
            if let Some(code) = &status.trouble
                && reasons.iter().all(|listed| listed.code != *code)
            {
                let text = status.text.clone();
                reasons.push(lasting(code, text.unwrap_or_else(|| code.clone())));
            }
        }
        self.add_overdue(&mut reasons, now);
        reasons
    }

    /// Adds a reason for each event that the relay should have recorded and has not.
    fn add_overdue(&self, reasons: &mut Vec<Reason>, now: UnixMicros) {
        let Some(liveness) = &self.liveness else {
            let text = "the running relay gives no signs of life: it is of an older version than this \
                        command; restart it";
            reasons.push(passing("no_vitals", text));
            return;
        };
        let written_at = UnixMicros::from_micros(liveness.written_at);
        if written_at > now.plus(CLOCK_SLACK) {
            let text = format!(
                "the relay's last sign of life is dated {written_at}, in the future: the clock was \
                 set back, and the relay has been silent since; restart it"
            );
            reasons.push(passing("time_in_future", text));
        }
        if self.is_starting(now) {
            return;
        }
        let silent = self.silence(now) > SCAN_OVERDUE;
        // A reported trouble explains why an event is overdue, as long as the relay goes on reporting.
        let unexplained = |trouble: bool| silent || !trouble;
        let scan = self.last_scan(now);
        if scan.is_none_or(|scan| scan.age > SCAN_OVERDUE) {
            if self.waits_for_backend && !silent {
                if unexplained(self.pull.trouble.is_some()) {
                    let text =
                        "nothing is read before the backend's first answer, and it has not come";
                    reasons.push(lasting("backend_not_heard", text));
                }
            } else if unexplained(self.reading_trouble.is_some()) {
                let what = scan.map_or_else(
                    || "chat.db was never read since the relay started".to_owned(),
                    |scan| format!("chat.db was last read {} s ago", scan.age.as_secs()),
                );
                let text = format!(
                    "{what}, which should be every minute; {}",
                    self.likely_cause(silent)
                );
                reasons.push(passing("scan_overdue", text));
            }
        }
        let answer = self.last_answer(now);
        if liveness.pulls
            && answer.is_none_or(|answer| answer.age > ANSWER_OVERDUE)
            && unexplained(self.pull.trouble.is_some())
        {
            let what = answer.map_or_else(
                || "the backend never answered a pull since the relay started".to_owned(),
                |answer| {
                    let secs = answer.age.as_secs();
                    format!("the backend last answered a pull {secs} s ago")
                },
            );
            let at_most = ANSWER_OVERDUE.as_secs();
            let text = format!(
                "{what}, which should happen at least every {at_most} s; {}",
                self.likely_cause(silent)
            );
            reasons.push(passing("pull_overdue", text));
        }
    }

    /// Why an event is probably overdue. `silent` if the liveness record is old.
    fn likely_cause(&self, silent: bool) -> String {
        if !silent {
            return "a part of the relay hangs: restart it".to_owned();
        }
        let free = match self.free_disk_bytes {
            Some(free) => format!(" ({} MiB are free on its disk)", free / (1024 * 1024)),
            None => String::new(),
        };
        format!("the relay is stopped, hangs, or cannot write its state{free}")
    }
}

/// A reason that does not pass by itself within seconds.
fn lasting(code: &str, text: impl Into<String>) -> Reason {
    Reason {
        code: code.to_owned(),
        text: text.into(),
        may_pass: false,
    }
}

/// A reason that may pass by itself within seconds.
fn passing(code: &str, text: impl Into<String>) -> Reason {
    Reason {
        may_pass: true,
        ..lasting(code, text)
    }
}

#[cfg(test)]
mod tests;
