//! Compares recent rows with what was read of them before, a slice at a time.
//!
//! Messages changes rows in place. After every change of the database the rows of the last 24 hours are
//! compared. The comparison starts a moment later, so that Messages has joined a new row to its chat by then.
//! Between two slices new rows are read. Together with the pass over filtered messages that follows, a
//! comparison takes at most a small part of the thread's time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chatdb::{ChatDb, Digest, FilterReason, Row};

use super::{Feed, HOUR};
use crate::pipeline::candidate::BatchResult;
use crate::pipeline::freshness::ReadCause;
use crate::pipeline::row_guard::{clear_current_row, set_current_row, without_panicking};
use crate::pipeline::{PipelineError, changes, first_chat};
use crate::state::{read_position, seen};

/// Rows up to this age are compared.
const WINDOW: i64 = 24 * HOUR;
/// How long after a change of the database a comparison starts.
const PAUSE: Duration = Duration::from_millis(20);
/// A comparison takes at most `1 / SHARE` of the thread's time.
const SHARE: u32 = 20;
/// Rows per slice.
const SLICE: usize = 256;

/// The state of the comparison.
pub(super) struct Compare {
    /// Whether the database has changed since the last comparison began.
    is_requested: bool,
    not_before: Instant,
    /// Rows sent from here on are compared, microseconds since 1970.
    since: i64,
    is_under_way: bool,
    /// ROWIDs that are still to be compared; the newest are last and are compared first.
    left: Vec<i64>,
    /// How long the comparison that is under way has worked.
    spent: Duration,
    /// When the comparison that is under way began, microseconds since 1970.
    began_at: i64,
    /// Digests of rows that need no work until they change again, by ROWID.
    compared: HashMap<i64, Digest>,
    /// Whether no comparison has ended in this run. The first one runs to its end at once: it finds what
    /// changed while the relay did not run.
    is_first: bool,
}

impl Compare {
    /// The first comparison of a run, from a day before the last good scan on.
    pub(super) fn since_last_scan(last_good_scan_at: i64, now: i64) -> Self {
        Self {
            is_requested: true,
            not_before: Instant::now(),
            since: last_good_scan_at.min(now) - WINDOW,
            is_under_way: false,
            left: Vec::new(),
            spent: Duration::ZERO,
            began_at: now,
            compared: HashMap::new(),
            is_first: true,
        }
    }

    /// Asks for a comparison: the database has changed.
    pub(super) fn request(&mut self) {
        if !self.is_requested {
            self.is_requested = true;
            self.not_before = self.not_before.max(Instant::now() + PAUSE);
        }
    }

    /// How long until the next slice is due; `None` if no comparison is requested.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        if self.is_under_way {
            return Some(Duration::ZERO);
        }
        self.is_requested.then(|| {
            self.not_before
                .saturating_duration_since(now)
                .max(Duration::from_millis(1))
        })
    }
}

impl Feed<'_> {
    /// Compares a slice of recent rows, or reads a slice of the filtered messages, if it is time.
    pub(super) fn compare_recent(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let started = Instant::now();
        if !self.compare.is_under_way {
            if !self.compare.is_requested || started < self.compare.not_before {
                return Ok(());
            }
            self.begin_comparison(db)?;
        }
        loop {
            if let Err(error) = self.next_slice(db) {
                // The comparison starts again, and passes over the rows that it has compared.
                self.compare.left.clear();
                self.compare.is_under_way = false;
                self.compare.is_requested = true;
                return Err(error);
            }
            let is_done = self.compare.left.is_empty() && self.filtered.is_done();
            self.compare.is_under_way = !is_done;
            if is_done || !self.compare.is_first || self.context.pipeline_handle.is_stopping() {
                break;
            }
        }
        self.compare.spent += started.elapsed();
        if !self.compare.is_under_way {
            self.end_comparison()?;
        }
        Ok(())
    }

    fn next_slice(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        if self.compare.left.is_empty() {
            return self.read_filtered(db);
        }
        let from = self.compare.left.len().saturating_sub(SLICE);
        let slice = self.compare.left.split_off(from);
        self.compare_slice(db, &slice)
    }

    fn begin_comparison(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let mut rowids = db.rowids_since(self.compare.since)?;
        rowids.retain(|rowid| *rowid <= self.position.cursor);
        let began_at = self.now();
        let compare = &mut self.compare;
        // Most of so many digests belong to rows that are no longer compared.
        if compare.compared.len() > 2 * rowids.len() + 1_000 {
            compare.compared.clear();
        }
        compare.left = rowids;
        compare.is_requested = false;
        compare.spent = Duration::ZERO;
        compare.began_at = began_at;
        self.begin_filtered()?;
        self.compare.is_under_way = true;
        Ok(())
    }

    fn compare_slice(&mut self, db: &ChatDb, slice: &[i64]) -> Result<(), PipelineError> {
        // chat.db is read before the state is locked, since the sender shares the state and must not wait
        // for chat.db.
        let mut digests = db.row_digests(slice)?;
        digests
            .retain(|current| self.compare.compared.get(&current.rowid) != Some(&current.digest));
        if digests.is_empty() {
            return Ok(());
        }
        let recorded = self.context.state.read(|state| {
            digests
                .iter()
                .map(|current| seen::digest_of(state, &current.guid))
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let mut rows = Vec::new();
        for (current, recorded) in digests.iter().zip(&recorded) {
            // A row without a record is older than the relay, or is still waiting.
            if recorded.is_some_and(|digest| digest != current.digest) {
                rows.extend(db.row(current.rowid)?);
            }
        }
        // Rows that are set aside are read again when the relay starts, or when they change once more.
        let (mut set_aside, rows): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| row.is_unreadable);
        without_panicking(
            rows,
            &mut set_aside,
            |row| row.rowid,
            |rows, _| self.apply_changes(db, rows),
        )?;
        for (current, recorded) in digests.iter().zip(recorded) {
            // A waiting row gets its record later, perhaps with this very digest.
            let is_done = recorded.is_some_and(|digest| digest == current.digest);
            if is_done || set_aside.iter().any(|row| row.rowid == current.rowid) {
                self.compare.compared.insert(current.rowid, current.digest);
            }
        }
        Ok(())
    }

    fn apply_changes(&mut self, db: &ChatDb, rows: &mut [Row]) -> Result<(), PipelineError> {
        if rows.is_empty() {
            return Ok(());
        }
        for row in &mut *rows {
            set_current_row(row.rowid, "examine");
            self.examine_again(db, row)?;
        }
        let context = self.decision_context(ReadCause::Appeared);
        let result = self.context.state.write(|tx| {
            let mut result = BatchResult::default();
            for row in &*rows {
                set_current_row(row.rowid, "change");
                changes::apply_change(tx, row, &context, &mut result)?;
            }
            Ok(result)
        })?;
        clear_current_row();
        // Some of the rows may be newly held back.
        let filtered_chats = rows.iter().filter_map(|row| {
            let chat = row.chat.as_deref()?;
            FilterReason::of(row, chat).map(|_| chat.guid.clone())
        });
        self.filtered.add_chats(filtered_chats.collect());
        self.wake_others(&result);
        Ok(())
    }

    /// Puts a row that was decided about before into the chat in which its message was first posted, and
    /// finds out whether the owner wrote it. Returns the guid of the own message of which it is a copy.
    pub(super) fn examine_again(
        &mut self,
        db: &ChatDb,
        row: &mut Row,
    ) -> Result<Option<String>, PipelineError> {
        self.groups.apply(row);
        let find = |state: &_| first_chat::find(state, &row.guid);
        let known_chat = self.context.state.read(find)?;
        first_chat::restore(db, row, &known_chat)?;
        Ok(self.own_addresses.examine(db, row, &self.options.lines)?)
    }

    /// A scan counts as good only once everything was compared. So what changed during downtime is posted
    /// even if the relay is killed between reading new rows and comparing old ones.
    fn end_comparison(&mut self) -> Result<(), PipelineError> {
        let compare = &mut self.compare;
        let is_first = std::mem::replace(&mut compare.is_first, false);
        compare.since = compare.began_at - WINDOW;
        compare.not_before = Instant::now() + compare.spent * SHARE;
        self.position.last_good_scan_at = compare.began_at;
        if is_first {
            self.context
                .state
                .write(|tx| read_position::save(tx, &self.position))?;
        }
        Ok(())
    }
}
