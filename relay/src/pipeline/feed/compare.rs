//! When recent rows are compared with what was settled of them, a slice at a time.
//!
//! Messages changes rows in place. Every change of the database asks for a comparison of the last 24
//! hours; it begins a moment later, so that a row's join comes first, yields to news after each slice,
//! and takes at most a small part of the thread's time, together with the look at what filters hold back
//! that follows it.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use chatdb::{ChatDb, Digest, FilterReason, Row};

use super::{Feed, HOUR};
use crate::pipeline::arrival::Occasion;
use crate::pipeline::row_guard::{attempt, let_go, take_in_hand};
use crate::pipeline::{PipelineError, binding, changes};
use crate::state::seen;

/// Rows this old are compared.
const WINDOW: i64 = 24 * HOUR;
/// Between a change and the comparison that it calls for.
const PAUSE: Duration = Duration::from_millis(20);
/// A comparison may take at most one part in this many of the thread's time.
const SHARE: u32 = 20;
/// Rows per slice.
const SLICE: usize = 256;

/// The state of comparing.
pub(super) struct Compare {
    asked: bool,
    not_before: Instant,
    /// Rows sent from here on are compared, microseconds since 1970.
    since: i64,
    is_under_way: bool,
    /// Rows of the pass under way that are still to be compared; the newest are last and come first.
    left: Vec<i64>,
    /// What the pass under way has cost.
    spent: Duration,
    /// When the pass under way began, microseconds since 1970.
    began_at: i64,
    /// Digests that were compared before: what did not change since is known to be settled.
    settled: HashMap<i64, Digest>,
    /// The first pass runs to its end at once: it covers what happened while the relay did not run.
    passes: u64,
}

impl Compare {
    /// Begins with everything since the last good scan.
    pub(super) fn since_last_scan(last_good_scan_at: i64, now: i64) -> Self {
        Self {
            asked: true,
            not_before: Instant::now(),
            since: last_good_scan_at.min(now) - WINDOW,
            is_under_way: false,
            left: Vec::new(),
            spent: Duration::ZERO,
            began_at: now,
            settled: HashMap::new(),
            passes: 0,
        }
    }

    /// Something changed.
    pub(super) fn ask(&mut self) {
        if !self.asked {
            self.asked = true;
            self.not_before = self.not_before.max(Instant::now() + PAUSE);
        }
    }

    /// How long until there is something to compare; `None` if nothing is asked for.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        if self.is_under_way {
            return Some(Duration::ZERO);
        }
        self.asked.then(|| {
            self.not_before
                .saturating_duration_since(now)
                .max(Duration::from_millis(1))
        })
    }
}

impl Feed<'_> {
    /// Compares a slice of recent rows, or looks at a slice of what filters hold back, if it is time.
    pub(super) fn compare_recent(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let started = Instant::now();
        if !self.compare.is_under_way {
            if !self.compare.asked || started < self.compare.not_before {
                return Ok(());
            }
            self.begin_pass(db)?;
        }
        let first_pass = self.compare.passes == 0;
        loop {
            if let Err(error) = self.next_slice(db) {
                // Asked for again as a whole; what was settled is known to be.
                self.compare.left.clear();
                self.compare.is_under_way = false;
                self.compare.asked = true;
                return Err(error);
            }
            let is_done = self.compare.left.is_empty() && self.filtered.is_done();
            self.compare.is_under_way = !is_done;
            if is_done || !first_pass || self.context.health.is_stopping() {
                break;
            }
        }
        self.compare.spent += started.elapsed();
        if !self.compare.is_under_way {
            self.end_pass()?;
        }
        Ok(())
    }

    fn next_slice(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        if self.compare.left.is_empty() {
            return self.look_at_filtered(db);
        }
        let from = self.compare.left.len().saturating_sub(SLICE);
        let slice = self.compare.left.split_off(from);
        self.compare_slice(db, &slice)
    }

    fn begin_pass(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let mut rowids = db.rowids_since(self.compare.since)?;
        rowids.retain(|rowid| *rowid <= self.source.cursor);
        let compare = &mut self.compare;
        if compare.settled.len() > 2 * rowids.len() + 1_000 {
            compare.settled.clear();
        }
        compare.left = rowids;
        compare.asked = false;
        compare.spent = Duration::ZERO;
        compare.began_at = self.context.clock.now().as_micros();
        self.begin_filtered()?;
        self.compare.is_under_way = true;
        Ok(())
    }

    fn compare_slice(&mut self, db: &ChatDb, slice: &[i64]) -> Result<(), PipelineError> {
        // chat.db first, the state after: the sender shares the state and must not wait for chat.db.
        let mut marks = db.marks_of(slice)?;
        marks.retain(|mark| self.compare.settled.get(&mark.rowid) != Some(&mark.digest));
        if marks.is_empty() {
            return Ok(());
        }
        let known = self.context.state.read(|state| {
            marks
                .iter()
                .map(|mark| seen::digest_of(state, &mark.guid))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let mut rows = Vec::new();
        for (mark, known) in marks.iter().zip(&known) {
            // A row without a record was there before the relay began, or is still waiting.
            if known.is_some_and(|digest| digest != mark.digest) {
                rows.extend(db.row(mark.rowid)?);
            }
        }
        // Looked at again when the relay starts anew, or when they change once more.
        let beyond_reading = rows.extract_if(.., |row| row.is_beyond_reading);
        let mut set_aside: BTreeSet<i64> = beyond_reading.map(|row| row.rowid).collect();
        loop {
            match attempt(|| self.settle_changes(db, &mut rows)) {
                Ok(settled) => {
                    settled?;
                    break;
                }
                Err(culprit) => {
                    rows.retain(|row| row.rowid != culprit.row);
                    set_aside.insert(culprit.row);
                }
            }
        }
        for (mark, known) in marks.iter().zip(known) {
            // One that waits gets its record later, perhaps with this very digest.
            let is_done = known.is_some_and(|digest| digest == mark.digest);
            if is_done || set_aside.contains(&mark.rowid) {
                self.compare.settled.insert(mark.rowid, mark.digest);
            }
        }
        Ok(())
    }

    fn settle_changes(&mut self, db: &ChatDb, rows: &mut [Row]) -> Result<(), PipelineError> {
        if rows.is_empty() {
            return Ok(());
        }
        for row in &mut *rows {
            take_in_hand(row.rowid, "examine");
            self.groups.name(row);
            self.put_back(db, std::slice::from_mut(row))?;
            self.own_addresses.examine(db, row, &self.options.lines)?;
        }
        let rules = self.rules(Occasion::Ordinary);
        let enqueued = self.context.state.write(|tx| {
            rows.iter().try_fold(0, |enqueued, row| {
                take_in_hand(row.rowid, "change");
                Ok(enqueued + changes::settle_change(tx, row, &rules)?)
            })
        })?;
        let_go();
        // Some of them may be newly held back.
        let marked = rows.iter().filter_map(|row| {
            let chat = row.chat.as_deref()?;
            FilterReason::of(row, chat).map(|_| chat.guid.clone())
        });
        self.filtered.add_chats(marked.collect());
        if enqueued > 0 {
            (self.context.wake_sender)();
        }
        Ok(())
    }

    /// Puts changed rows into the chats that their messages were told in.
    pub(super) fn put_back(&self, db: &ChatDb, rows: &mut [Row]) -> Result<(), PipelineError> {
        let told = self.context.state.read(|state| {
            rows.iter()
                .map(|row| binding::told_in(state, &row.guid))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        for (row, told) in rows.iter_mut().zip(&told) {
            binding::put_back(db, row, told)?;
        }
        Ok(())
    }

    /// Only a whole comparison is a good scan: what changed during downtime is told even if the relay
    /// is killed between reading new rows and comparing old ones.
    fn end_pass(&mut self) -> Result<(), PipelineError> {
        let first_pass = self.compare.passes == 0;
        self.source.last_good_scan_at = self.compare.began_at;
        if first_pass {
            let source = &self.source;
            self.context
                .state
                .write(|tx| crate::state::source::save(tx, source))?;
        }
        self.compare.passes += 1;
        self.compare.since = self.compare.began_at - WINDOW;
        self.compare.not_before = Instant::now() + self.compare.spent * SHARE;
        Ok(())
    }
}
