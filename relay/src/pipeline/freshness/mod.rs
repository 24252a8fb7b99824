//! Decides whether a row that just appeared is live, late, or an old message that iCloud inserted again.
//!
//! Rows appear in chat.db under new ROWIDs for three reasons that look alike: a person wrote; the
//! network was away and a message arrives late; or a sync inserts old messages again, often under new
//! guids, always with their original dates. Only messages of the first two kinds may be answered. A row is
//! dropped as a copy only if its original was posted, or was held for the owner or dropped by the owner. A
//! row that fits several reasons is held for the owner.

use std::collections::VecDeque;

use crate::state::connectivity::OfflinePeriod;
use crate::state::seen::CopyCounts;

const MINUTE: i64 = 60 * 1_000_000;
const HOUR: i64 = 60 * MINUTE;

/// A row that appears within this span after it was sent is not late.
const FRESH: i64 = 15 * MINUTE;
/// Up to this age a late message is live if it is newer than every live message from before its batch.
pub(super) const NEWEST_LIVE_AGE: i64 = 12 * HOUR;
/// A batch with this many late rows counts as a sync. Fewer rows may come from a person's phone that was off.
const MIN_ROWS_OF_SYNC: u32 = 3;
/// Late rows this far apart belong to different batches.
const BATCH_PAUSE: i64 = 10 * MINUTE;
/// Messages that appear within this span count as having appeared at once.
const AT_ONCE: i64 = 5_000_000;
/// The network counts as away if it was not proven to work for this long.
const CONTACT_LOST: i64 = 3 * MINUTE;
/// How long after the network's return messages may still arrive late.
const CATCH_UP: i64 = 6 * HOUR;
/// Clocks of senders and of this Mac differ by this much at most.
const CLOCK_SLACK: i64 = 5 * MINUTE;

/// What to do with a row, by its age and by what appeared with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Post it, to be answered.
    Live,
    /// Post it, to be stored only.
    Backfill,
    /// Drop it: it is a copy of a message that was posted, held or dropped before.
    Twin,
    /// Record it only: it was sent before the [`floor`](ArrivedRow::floor).
    Recorded,
    /// Hold it for the owner.
    Doubtful,
}

/// The facts by which the freshness of a row is decided. Times in microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArrivedRow {
    pub(super) sent_at: i64,
    /// When the row was first seen in chat.db.
    pub(super) arrived_at: i64,
    /// Messages sent before this are not posted.
    pub(super) floor: i64,
    /// How many messages with the same twin hash were accounted for.
    pub(super) copies: CopyCounts,
    pub(super) timestamp: TimestampProof,
    pub(super) cause: ReadCause,
}

impl ArrivedRow {
    fn is_fresh(&self) -> bool {
        self.arrived_at - self.sent_at <= FRESH
    }

    /// Whether the row is a copy of a message that is counted in `copies`.
    pub(super) fn is_copy(&self) -> bool {
        match self.timestamp {
            TimestampProof::Unique => self.copies.originals > 0,
            // More likely the sender has sent the same once more.
            TimestampProof::Ambiguous if self.is_fresh() && self.cause == ReadCause::Appeared => {
                false
            }
            // Each dropped copy uses up one original.
            TimestampProof::Ambiguous => self.copies.originals_before > self.copies.dropped,
        }
    }
}

/// What the timestamp of a row proves about copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimestampProof {
    /// The same content from the same sender in the same chat at this microsecond is the same message.
    Unique,
    /// Two messages may share the timestamp: it is in whole seconds, as of an SMS, and a person may say
    /// "ok" twice; or the content is not a person's words, and two photos may be sent at once.
    Ambiguous,
}

/// Why the relay reads a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadCause {
    /// It appeared or changed in chat.db, now or while the relay did not run.
    Appeared,
    /// chat.db was replaced. Its rows may be of any age, and copies have other guids than the messages
    /// that were posted.
    Rebuilt {
        /// When the new file was first read. The file can hold copies of what was posted before.
        began_at: i64,
    },
    /// The owner asked the first run to go back in time.
    FirstRun,
}

/// Earlier messages and offline periods, as far as they decide about the freshness of later rows.
#[derive(Clone, Debug, Default)]
pub(super) struct ArrivalHistory {
    /// Each live message that was newer than all before it, oldest first, as (when it appeared, when it was
    /// sent). Pairs that appeared longer than [`BATCH_PAUSE`] ago are removed, except for the newest of these.
    newest_live: VecDeque<(i64, i64)>,
    /// The batch of the last late row.
    batch: Option<LateBatch>,
    last_contact: Option<i64>,
    offline_periods: Vec<OfflinePeriod>,
}

/// Late rows that appeared close together.
#[derive(Clone, Debug)]
struct LateBatch {
    started_at: i64,
    last_at: i64,
    /// When the newest live message from before the batch was sent. Rows of the batch appear in any order, so
    /// their dates don't count here.
    newest_before: Option<i64>,
    /// How many late rows were not sent in an offline period.
    late: u32,
}

impl ArrivalHistory {
    /// Takes what the state has: when the newest live message was sent, when the network was last proven to
    /// work, and the offline periods.
    pub(super) fn new(
        newest_live: Option<i64>,
        last_contact: Option<i64>,
        offline_periods: Vec<OfflinePeriod>,
    ) -> Self {
        Self {
            newest_live: newest_live
                // When it appeared is not known; in any case it was before this run.
                .map(|newest| (i64::MIN, newest))
                .into_iter()
                .collect(),
            batch: None,
            last_contact,
            offline_periods,
        }
    }

    /// Notes that the network was proven to work at `at`; returns the offline period that this ends.
    pub(super) fn note_contact(&mut self, at: i64) -> Option<OfflinePeriod> {
        // A period that was recorded under a clock ahead of its time would make everything live until
        // the clock reaches that time again.
        self.offline_periods
            .retain(|gap| gap.ended_at <= at && gap.ended_at.saturating_add(CATCH_UP) > at);
        let started_at = self.last_contact.replace(at)?;
        if at - started_at <= CONTACT_LOST {
            return None;
        }
        let period = OfflinePeriod {
            started_at,
            ended_at: at,
        };
        self.offline_periods.push(period);
        Some(period)
    }

    /// When the network was last proven to work.
    pub(super) fn last_contact(&self) -> Option<i64> {
        self.last_contact
    }

    /// Adds a period that was not observed, such as the time before a lost state.
    pub(super) fn add_offline_period(&mut self, period: OfflinePeriod) {
        self.offline_periods.push(period);
    }

    /// Counts the late rows among those about to be classified, given as (sent, appeared).
    pub(super) fn count_late(&mut self, rows: impl IntoIterator<Item = (i64, i64)>) {
        for (sent_at, arrived_at) in rows {
            if arrived_at - sent_at <= FRESH || self.was_offline(sent_at, arrived_at) {
                continue;
            }
            let newest_before = self.newest_before(arrived_at);
            match &mut self.batch {
                Some(batch) if arrived_at - batch.last_at <= BATCH_PAUSE => {
                    batch.last_at = batch.last_at.max(arrived_at);
                    batch.late += 1;
                }
                batch => {
                    *batch = Some(LateBatch {
                        started_at: arrived_at,
                        last_at: arrived_at,
                        newest_before,
                        late: 1,
                    });
                }
            }
        }
    }

    /// When the batch of a row began. A message that was posted since then appeared with the row and is
    /// no original of which the row could be a copy: of two equal messages of one second that arrive late
    /// together, both must be posted. Messages of the last [`BATCH_PAUSE`] belong to the batch in any
    /// case, since a relay that was started again remembers no batch.
    pub(super) fn batch_started_at(&self, cause: ReadCause, arrived_at: i64) -> i64 {
        if let ReadCause::Rebuilt { began_at } = cause {
            return began_at;
        }
        let recent_from = arrived_at - BATCH_PAUSE;
        match &self.batch {
            Some(batch) if batch.last_at >= recent_from => batch.started_at.min(recent_from),
            _ => recent_from,
        }
    }

    /// Decides about a row. The rows that appeared with it must have been given to
    /// [`count_late`](Self::count_late) before.
    pub(super) fn classify(&self, row: &ArrivedRow) -> Freshness {
        let age = row.arrived_at - row.sent_at;
        if row.sent_at < row.floor {
            return Freshness::Recorded;
        }
        if row.is_copy() {
            return Freshness::Twin;
        }
        if row.cause == ReadCause::FirstRun {
            return Freshness::Backfill;
        }
        if row.is_fresh() || self.was_offline(row.sent_at, row.arrived_at) {
            return Freshness::Live;
        }
        let batch = self.batch.as_ref();
        let newest_before = batch.map_or_else(
            || self.newest_before(row.arrived_at),
            |batch| batch.newest_before,
        );
        let newer_than_all = newest_before.is_none_or(|newest| row.sent_at > newest);
        if newer_than_all && age <= NEWEST_LIVE_AGE {
            return Freshness::Live;
        }
        let is_sync = batch.is_some_and(|batch| batch.late >= MIN_ROWS_OF_SYNC);
        if age > NEWEST_LIVE_AGE || is_sync {
            Freshness::Backfill
        } else {
            Freshness::Doubtful
        }
    }

    /// Notes that a row was posted as live. A date in the future is taken for the present. Otherwise one
    /// message from a wrong clock would make all later ones look old.
    pub(super) fn note_live(&mut self, sent_at: i64, arrived_at: i64) {
        let newest = sent_at.min(arrived_at);
        let known = self.newest_live.back().copied();
        if known.is_some_and(|(_, known)| known >= newest) {
            return;
        }
        match self.newest_live.back_mut() {
            // Thousands of rows may appear within a few seconds and share one entry.
            Some((appeared, known)) if arrived_at.saturating_sub(*appeared) < AT_ONCE => {
                *known = newest;
            }
            _ => self.newest_live.push_back((arrived_at, newest)),
        }
        while self
            .newest_live
            .get(1)
            .is_some_and(|(appeared, _)| *appeared <= arrived_at - BATCH_PAUSE)
        {
            self.newest_live.pop_front();
        }
    }

    /// When the newest live message was sent that appeared at least [`BATCH_PAUSE`] before `arrived_at`. Later
    /// ones don't count: after Messages hung, the newest message that it missed may appear first.
    fn newest_before(&self, arrived_at: i64) -> Option<i64> {
        let before = arrived_at.saturating_sub(BATCH_PAUSE);
        self.newest_live
            .iter()
            .rev()
            .find(|(appeared, _)| *appeared <= before)
            .map(|(_, newest)| *newest)
    }

    /// Whether the network was away when the message was sent, and has returned only lately or not yet.
    fn was_offline(&self, sent_at: i64, arrived_at: i64) -> bool {
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
                .offline_periods
                .iter()
                .any(|period| away(period.started_at, period.ended_at))
    }
}

#[cfg(test)]
mod tests;
