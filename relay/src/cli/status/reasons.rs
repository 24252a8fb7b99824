//! Whether a relay is well, and what speaks against it: decided from values, so that every case is
//! tested without waiting for it.
//!
//! A relay that is stopped, hangs, or cannot write its state says nothing of it, so silence counts: what
//! it promises to do every minute and has not written down for longer is a reason. A time to come is
//! one too. Without that, a relay that fell silent before the clock was set back would look well until
//! the clock has caught up.

use std::time::Duration;

use crate::backend::availability::Standstill;
use crate::clock::UnixMicros;
use crate::lifecycle::vitals::{SCAN_OVERDUE, STARTING, Vitals};
use crate::pull::ANSWER_OVERDUE;

/// Two readings of one clock differ by less, unless it was set in between.
const CLOCK_SLACK: Duration = Duration::from_secs(5);
/// A state grows by more than this at any moment.
const LITTLE_SPACE: u64 = 1024 * 1024;

/// One thing that keeps a relay from being well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// For programs.
    pub(super) code: String,
    /// For people, with the way out.
    pub(super) text: String,
    /// Whether a clock that was just set, or a Mac that just woke, can be behind it: the relay then says
    /// otherwise within seconds.
    pub(super) may_pass: bool,
}

/// What is known of a relay.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Whether it holds the lock of its state.
    pub(super) running: bool,
    /// Its signs of life.
    pub(super) vitals: Option<Vitals>,
    /// Whether nothing is read before the backend's first answer.
    pub(super) waits_for_backend: bool,
    /// How delivery stands.
    pub(super) delivery: Standstill,
    /// How the pull stands.
    pub(super) pull: Standstill,
    /// Code of what keeps chat.db from being read.
    pub(super) reading_trouble: Option<String>,
    /// Free space on the disk of its state.
    pub(super) free_disk_bytes: Option<u64>,
}

/// An age, and the instant that it goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Since {
    pub(super) age: Duration,
    pub(super) at: UnixMicros,
}

impl Known {
    /// How long ago its signs of life were written. A time to come was just now.
    fn silence(&self, now: UnixMicros) -> Duration {
        self.vitals.as_ref().map_or(Duration::ZERO, |vitals| {
            now.since(UnixMicros::from_micros(vitals.written_at))
        })
    }

    fn since(&self, ago: impl Fn(&Vitals) -> Option<u64>, now: UnixMicros) -> Option<Since> {
        let vitals = self.vitals.as_ref()?;
        let ago = Duration::from_secs(ago(vitals)?);
        Some(Since {
            age: ago.saturating_add(self.silence(now)),
            at: UnixMicros::from_micros(vitals.written_at).minus(ago),
        })
    }

    /// When chat.db was last read.
    pub(super) fn scan(&self, now: UnixMicros) -> Option<Since> {
        self.since(|vitals| vitals.scan_secs_ago, now)
    }

    /// When the backend last answered a pull.
    pub(super) fn answer(&self, now: UnixMicros) -> Option<Since> {
        self.since(|vitals| vitals.pull_secs_ago, now)
    }

    /// Whether it pulls; a relay that never wrote its signs of life does as far as is known.
    pub(super) fn pulls(&self) -> bool {
        self.vitals.as_ref().is_none_or(|vitals| vitals.pulls)
    }

    /// Whether it runs and has not had time yet to read, or to be answered.
    pub(super) fn is_starting(&self, now: UnixMicros) -> bool {
        let Some(vitals) = self.vitals.as_ref().filter(|_| self.running) else {
            return false;
        };
        let up = Duration::from_secs(vitals.up_secs).saturating_add(self.silence(now));
        let unanswered = vitals.pulls && vitals.pull_secs_ago.is_none();
        up < STARTING && (vitals.scan_secs_ago.is_none() || unanswered)
    }

    /// Everything that keeps it from being well at `now`, each once.
    pub(super) fn reasons(&self, now: UnixMicros) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.free_disk_bytes.is_some_and(|free| free < LITTLE_SPACE) {
            let text = "the disk that holds the relay's state is full; make space, the relay goes on \
                        by itself";
            reasons.push(lasting("state_disk_full", text));
        }
        if !self.running {
            // What troubled it while it ran is history.
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
        for standstill in [&self.pull, &self.delivery] {
            if let Some(code) = &standstill.trouble
                && reasons.iter().all(|known| known.code != *code)
            {
                let text = standstill.text.clone();
                reasons.push(lasting(code, text.unwrap_or_else(|| code.clone())));
            }
        }
        self.add_silence(&mut reasons, now);
        reasons
    }

    fn add_silence(&self, reasons: &mut Vec<Reason>, now: UnixMicros) {
        let Some(vitals) = &self.vitals else {
            let text = "the running relay gives no signs of life: it is of an older version than this \
                        command; restart it";
            reasons.push(passing("no_vitals", text));
            return;
        };
        let written_at = UnixMicros::from_micros(vitals.written_at);
        if written_at > now.plus(CLOCK_SLACK) {
            let text = format!(
                "the relay's last sign of life is dated {written_at}, which is to come: the clock was \
                 set back, and the relay has been silent since; restart it"
            );
            reasons.push(passing("time_in_future", text));
        }
        if self.is_starting(now) {
            return;
        }
        let silent = self.silence(now) > SCAN_OVERDUE;
        // A trouble that is told explains what is missing, as long as the relay is there to tell it.
        let unexplained = |trouble: bool| silent || !trouble;
        let scan = self.scan(now);
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
                let text = format!("{what}, which should be every minute; {}", self.why(silent));
                reasons.push(passing("scan_overdue", text));
            }
        }
        let answer = self.answer(now);
        if vitals.pulls
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
                "{what}, which takes {at_most} s at most; {}",
                self.why(silent)
            );
            reasons.push(passing("pull_overdue", text));
        }
    }

    fn why(&self, silent: bool) -> String {
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

fn lasting(code: &str, text: impl Into<String>) -> Reason {
    Reason {
        code: code.to_owned(),
        text: text.into(),
        may_pass: false,
    }
}

fn passing(code: &str, text: impl Into<String>) -> Reason {
    Reason {
        may_pass: true,
        ..lasting(code, text)
    }
}

#[cfg(test)]
mod tests;
