//! Whether a row that just appeared is live, late, or an old message that iCloud brought back.
//!
//! Rows appear in chat.db under new ROWIDs for three reasons that look alike: a person wrote; the
//! network was away and what a person wrote arrives late; or a sync inserts old messages again, often
//! under new guids, always with their original dates. Only the first two may be answered. Nothing is
//! dropped without proof that its copy was delivered: what cannot be told apart is held for the owner.

use std::collections::VecDeque;

use crate::state::contact::Gap;
use crate::state::seen::Twins;

const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;

/// A row this fresh is live whatever else happens.
const FRESH: i64 = 15 * MINUTE;
/// A message that is newer than everything before its batch is live up to this age.
pub(super) const NEWEST_LIVE_AGE: i64 = 12 * HOUR;
/// So many late rows at once are a sync, not a person whose phone was off.
const BATCH_OF_SYNC: u32 = 3;
/// Late rows this far apart belong to different batches.
const BATCH_PAUSE: i64 = 10 * MINUTE;
/// Messages that come within this span count as having come at once.
const STEP: i64 = 5_000_000;
/// Without proof of contact for this long the network counts as away.
const CONTACT_LOST: i64 = 3 * MINUTE;
/// How long after the network's return late messages may still trickle in.
const CATCH_UP: i64 = 6 * HOUR;
/// Clocks of senders and of this Mac differ by this much at most.
const CLOCK_SLACK: i64 = 5 * MINUTE;

/// Verdict on a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Forward it, to be answered.
    Live,
    /// Forward it, to be stored only.
    Backfill,
    /// Its copy was delivered; drop it.
    Twin,
    /// Sent before this relay began; record it only.
    Recorded,
    /// Hold it for the owner.
    Doubtful,
}

/// What is known about one row. Times in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// When it was sent.
    pub(super) sent_at: i64,
    /// When it was first seen in chat.db.
    pub(super) arrived_at: i64,
    /// Nothing sent before this is forwarded.
    pub(super) floor: i64,
    /// How often it, or a copy of it, was accounted for.
    pub(super) twins: Twins,
    /// What its instant proves about copies.
    pub(super) instant: Instant,
    /// What made the relay look at it.
    pub(super) occasion: Occasion,
}

impl Evidence {
    fn is_fresh(&self) -> bool {
        self.arrived_at - self.sent_at <= FRESH
    }
}

/// What the instant of a row proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instant {
    /// The same content from the same sender in the same chat at this very microsecond is one message.
    Names,
    /// There may be several: the date is in whole seconds, as of an SMS, and a person may say "ok"
    /// twice; or the content is not a person's words, and two photos may be sent at once.
    Shared,
}

/// What made the relay look at a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// It appeared above the cursor.
    Ordinary,
    /// chat.db was replaced: rows of any age are new in it, and copies share no guid with what was
    /// delivered.
    Rebuilt {
        /// When the new file was first looked at: what was told before is what it can hold copies of.
        began_at: i64,
    },
    /// The owner asked a first run to go back in time.
    FirstRun,
}

/// What came before, as far as it bears on what comes now.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals {
    /// How the date of the newest live message rose, as (arrival, date), over the last while.
    newest_live: VecDeque<(i64, i64)>,
    batch: Option<Batch>,
    last_contact: Option<i64>,
    gaps: Vec<Gap>,
}

#[derive(Clone, Debug)]
struct Batch {
    started_at: i64,
    last_at: i64,
    /// The newest live date before the batch: its own rows, jumbled as they come, don't raise it.
    newest_before: Option<i64>,
    /// Late rows that no gap explains.
    late: u32,
}

impl Arrivals {
    /// What the state remembers: date of the newest live message, last contact, gaps.
    pub(super) fn new(newest_live: Option<i64>, last_contact: Option<i64>, gaps: Vec<Gap>) -> Self {
        Self {
            newest_live: newest_live
                .map(|newest| (i64::MIN, newest))
                .into_iter()
                .collect(),
            batch: None,
            last_contact,
            gaps,
        }
    }

    /// Takes note that the network was proven at `at`; tells of the gap that this closes.
    pub(super) fn contact(&mut self, at: i64) -> Option<Gap> {
        // A gap that a clock ahead of its time recorded would explain everything until then.
        self.gaps
            .retain(|gap| gap.ended_at <= at && gap.ended_at.saturating_add(CATCH_UP) > at);
        let started_at = self.last_contact.replace(at)?;
        if at - started_at <= CONTACT_LOST {
            return None;
        }
        let gap = Gap {
            started_at,
            ended_at: at,
        };
        self.gaps.push(gap);
        Some(gap)
    }

    /// The last proof of contact.
    pub(super) fn last_contact(&self) -> Option<i64> {
        self.last_contact
    }

    /// Adds a gap that was not observed: a lost state leaves one.
    pub(super) fn add_gap(&mut self, gap: Gap) {
        self.gaps.push(gap);
    }

    /// Counts the late rows among those about to be judged, given as (sent, arrived).
    pub(super) fn begin(&mut self, rows: impl IntoIterator<Item = (i64, i64)>) {
        for (sent_at, arrived_at) in rows {
            if arrived_at - sent_at <= FRESH || self.in_gap(sent_at, arrived_at) {
                continue;
            }
            let newest_before = self.newest_before(arrived_at);
            match &mut self.batch {
                Some(batch) if arrived_at - batch.last_at <= BATCH_PAUSE => {
                    batch.last_at = batch.last_at.max(arrived_at);
                    batch.late += 1;
                }
                batch => {
                    *batch = Some(Batch {
                        started_at: arrived_at,
                        last_at: arrived_at,
                        newest_before,
                        late: 1,
                    });
                }
            }
        }
    }

    /// When the batch began that a row came with. What was told since then came with it and is no
    /// original that the row could be a copy of: of two equal messages of one second that arrive late
    /// together, neither may be lost. Rows of the last few minutes count to it in any case, since a
    /// relay that was started again remembers no batch.
    pub(super) fn batch_started_at(&self, occasion: Occasion, arrived_at: i64) -> i64 {
        if let Occasion::Rebuilt { began_at } = occasion {
            return began_at;
        }
        let lately = arrived_at - BATCH_PAUSE;
        match &self.batch {
            Some(batch) if batch.last_at >= lately => batch.started_at.min(lately),
            _ => lately,
        }
    }

    /// Whether a row is a copy of something that was told.
    pub(super) fn is_copy(row: &Evidence) -> bool {
        match row.instant {
            Instant::Names => row.twins.told > 0,
            Instant::Shared if row.is_fresh() && row.occasion == Occasion::Ordinary => false,
            // Counted: each copy takes one original.
            Instant::Shared => row.twins.told_before > row.twins.dropped,
        }
    }

    /// Judges one row.
    pub(super) fn judge(&self, row: &Evidence) -> Arrival {
        let age = row.arrived_at - row.sent_at;
        if row.sent_at < row.floor {
            return Arrival::Recorded;
        }
        if Self::is_copy(row) {
            return Arrival::Twin;
        }
        if row.occasion == Occasion::FirstRun {
            return Arrival::Backfill;
        }
        if row.is_fresh() || self.in_gap(row.sent_at, row.arrived_at) {
            return Arrival::Live;
        }
        let newest_before = self.batch.as_ref().map_or_else(
            || self.newest_before(row.arrived_at),
            |batch| batch.newest_before,
        );
        let newer_than_all = newest_before.is_none_or(|newest| row.sent_at > newest);
        if newer_than_all && age <= NEWEST_LIVE_AGE {
            return Arrival::Live;
        }
        let in_batch = self
            .batch
            .as_ref()
            .is_some_and(|batch| batch.late >= BATCH_OF_SYNC);
        if age > NEWEST_LIVE_AGE || in_batch {
            Arrival::Backfill
        } else {
            Arrival::Doubtful
        }
    }

    /// Takes note that a row was forwarded as live. A date in the future counts as now, lest one
    /// wrong clock make everything after it look old.
    pub(super) fn accept(&mut self, sent_at: i64, arrived_at: i64) {
        let newest = sent_at.min(arrived_at);
        let known = self.newest_live.back().copied();
        if known.is_some_and(|(_, known)| known >= newest) {
            return;
        }
        match self.newest_live.back_mut() {
            // A few seconds are one step: thousands of rows may arrive in one.
            Some((since, known)) if arrived_at.saturating_sub(*since) < STEP => *known = newest,
            _ => self.newest_live.push_back((arrived_at, newest)),
        }
        while self
            .newest_live
            .get(1)
            .is_some_and(|(since, _)| *since <= arrived_at - BATCH_PAUSE)
        {
            self.newest_live.pop_front();
        }
    }

    /// Date of the newest message that had come some minutes before `arrived_at`: when a stalled
    /// Messages comes back, the newest of what it missed may come first.
    fn newest_before(&self, arrived_at: i64) -> Option<i64> {
        let before = arrived_at.saturating_sub(BATCH_PAUSE);
        self.newest_live
            .iter()
            .rev()
            .find(|(since, _)| *since <= before)
            .map(|(_, newest)| *newest)
    }

    /// Whether the network was away when the message was sent, and came back not too long ago.
    fn in_gap(&self, sent_at: i64, arrived_at: i64) -> bool {
        let away = |started_at: i64, ended_at: i64| {
            sent_at >= started_at - CLOCK_SLACK
                && sent_at <= ended_at + CLOCK_SLACK
                && arrived_at <= ended_at.saturating_add(CATCH_UP)
        };
        let still_away = self.last_contact.is_some_and(|last| {
            arrived_at - last > CONTACT_LOST && away(last, i64::MAX - CLOCK_SLACK)
        });
        still_away
            || self
                .gaps
                .iter()
                .any(|gap| away(gap.started_at, gap.ended_at))
    }
}

#[cfg(test)]
mod tests;
