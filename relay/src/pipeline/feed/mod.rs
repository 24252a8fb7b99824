//! Reads one open chat.db: new rows, changed rows, and rows that filters hold back.
//!
//! This file decides what is read when. `begin` chooses the first row to read, `rebuilt` reads another file
//! at the same path, `resend` posts messages again, `resume` reads what a lost state had missed, `batch` writes decisions and the cursor,
//! `bubbles` looks at the rows of the relay's own sends, `names` keeps own addresses and group names, `compare` finds rows that changed in place, and `filtered`
//! finds rows whose mark was lifted.

mod batch;
mod begin;
mod bubbles;
mod compare;
mod filtered;
mod names;
mod rebuilt;
mod resend;
mod resume;

use std::time::{Duration, Instant};

use chatdb::{ChatDb, Options, Wake};
use crash_point::crash_point;

use super::candidate::{BatchResult, Candidate, DecisionContext};
use super::file_identity::{FileIdentity, with_anchor};
use super::freshness::{ArrivalHistory, ReadCause};
use super::groups::GroupNames;
use super::own_addresses::OwnAddressFinder;
use super::{
    IDLE_POLL_INTERVAL, PipelineContext, PipelineError, RESUME_POLL_INTERVAL, WAITING_POLL_INTERVAL,
};
use crate::state::read_position::{self, Anchor, ReadPosition};
use crate::state::waiting::{self, BEHIND_INCOMPLETE_ROW, Waiting};
use crate::state::{connectivity, meta, seen};
use bubbles::WatchedBubbles;
use compare::Compare;
use filtered::FilteredPass;
use resend::ResendProgress;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// At most this many new rows are read for one transaction.
const BATCH: u32 = 500;
/// Rows that have waited longer than this are read again only by the sweep, or once chat.db has joined them to
/// a chat.
const YOUNG: i64 = 10 * SECOND;
/// How long offline periods and records of rows are kept.
const RETENTION: i64 = 90 * 24 * HOUR;
/// At most this many records of rows are removed per sweep.
const CLEAN_BATCH: u32 = 2_000;
/// A proof that the network works is written down if the last written one is this old.
const NOTE_CONTACT_EVERY: i64 = 30 * SECOND;

/// One open chat.db, and the position up to which it was read.
pub struct Feed<'c> {
    context: &'c PipelineContext,
    position: ReadPosition,
    arrivals: ArrivalHistory,
    /// The last proof of the network that was written down, microseconds since 1970.
    noted_contact: i64,
    compare: Compare,
    filtered: FilteredPass,
    /// How many waiting rows hold back later rows, or are held back by an earlier one. As long as there are
    /// any, waiting rows are read every [`WAITING_POLL_INTERVAL`].
    holding_or_held: u32,
    /// How many rows wait.
    waiting: u64,
    /// The owner's options, with the own addresses that were found so far.
    options: Options,
    own_addresses: OwnAddressFinder,
    groups: GroupNames,
    /// Names the open chat.db ([`read_position::chat_db_file`]).
    chat_db_file: String,
    watched_bubbles: WatchedBubbles,
    resending: ResendProgress,
    /// Whether chat.db is not read before all commands of the backend are in the ledger ([`meta::COMMANDS_PENDING`]).
    commands_pending: bool,
}

/// Which waiting rows are read again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WaitingRows {
    /// Young rows, and older ones that have a chat now.
    Due,
    All,
}

impl Feed<'_> {
    /// Reads what is due. Returns the maximum time to wait before the next step.
    pub fn step(&mut self, db: &ChatDb, wake: Wake) -> Result<Duration, PipelineError> {
        crash_point("read");
        self.note_contact()?;
        let mut wake = wake;
        // Every answer to a pull is passed on, and only the first one is waited for.
        let answer = self.context.newest.try_iter().last();
        if self.position.resume_pending || self.commands_pending {
            // Nothing is read before the backend has named the newest message that it has of this relay. A
            // message posted before would become the newest, and hide those that were missed.
            let Some(newest) = answer else {
                return Ok(RESUME_POLL_INTERVAL);
            };
            wake = if self.position.resume_pending {
                self.resume(db, newest.as_ref())?;
                Wake::Changed
            } else {
                Wake::Sweep
            };
        }
        if wake == Wake::Sweep {
            self.sweep(db)?;
        }
        match wake {
            Wake::Sweep | Wake::Requested => self.read_new(db, WaitingRows::All)?,
            Wake::Changed => self.read_new(db, WaitingRows::Due)?,
            Wake::Elapsed if self.holding_or_held > 0 => self.read_new(db, WaitingRows::Due)?,
            Wake::Elapsed | Wake::Replaced => {}
        }
        if self.commands_pending && !self.context.pipeline_handle.is_stopping() {
            let state = &self.context.state;
            state.write(|tx| meta::remove(tx, meta::COMMANDS_PENDING))?;
            self.commands_pending = false;
        }
        self.settle_handed(db)?;
        let is_resending = self.resend(db)?;
        if matches!(wake, Wake::Changed | Wake::Sweep) {
            self.watch_bubbles(db, wake)?;
            self.compare.request();
        }
        self.compare_recent(db)?;
        self.context.pipeline_handle.note_scan(self.now());
        let longest_wait = if self.holding_or_held > 0 {
            WAITING_POLL_INTERVAL
        } else {
            IDLE_POLL_INTERVAL
        };
        if is_resending {
            return Ok(Duration::ZERO);
        }
        let compare = self.compare.due_in(Instant::now());
        Ok(compare.map_or(longest_wait, |due| due.min(longest_wait)))
    }

    /// Reads everything above the cursor, and waiting rows again, batch by batch.
    fn read_new(&mut self, db: &ChatDb, waiting: WaitingRows) -> Result<(), PipelineError> {
        loop {
            let rows = db.rows_after(self.position.cursor, BATCH)?;
            let is_full = rows.len() == BATCH as usize;
            let mut position = self.position.clone();
            if let Some(newest) = rows.last() {
                position.cursor = newest.rowid;
                position.sequence = position.sequence.max(newest.rowid);
                // The row at the cursor is always an anchor. If the file was set back by a few rows and
                // grew again, no other anchor shows it.
                let newest = Anchor {
                    rowid: newest.rowid,
                    guid: newest.guid.clone(),
                };
                position.anchors = with_anchor(position.anchors, newest);
            }
            let mut candidates = self.read_waiting(db, waiting)?;
            let since = self.now();
            candidates.extend(rows.into_iter().map(|row| Candidate::new(row, since)));
            if candidates.is_empty() {
                return self.count_waiting(0);
            }
            self.release_in_chats_of(db, &candidates)?;
            let result = self.commit(db, candidates, ReadCause::Appeared, Some(&position))?;
            self.count_waiting(result.waiting)?;
            if !is_full || self.context.pipeline_handle.is_stopping() {
                return Ok(());
            }
            self.note_contact()?;
        }
    }

    /// How many chats and filtered rows were read so far.
    #[cfg(test)]
    pub(super) fn filtered_reads(&self) -> (usize, usize) {
        self.filtered.reads
    }

    /// Runs a whole pass over the filtered rows now.
    #[cfg(test)]
    pub(super) fn run_filtered_pass(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        self.begin_filtered()?;
        while !self.filtered.is_done() {
            self.read_filtered(db)?;
        }
        Ok(())
    }

    fn decision_context(&self, cause: ReadCause) -> DecisionContext<'_> {
        // The records of a rebuilt chat.db begin at `began_at`. This time is later than all earlier records, and so
        // may be up to a second ahead of the clock.
        let now = match cause {
            ReadCause::Rebuilt { began_at } => self.now().max(began_at),
            ReadCause::Appeared | ReadCause::FirstRun => self.now(),
        };
        DecisionContext {
            post_builder: &self.context.post_builder,
            options: &self.options,
            groups: &self.groups,
            chat_db_file: &self.chat_db_file,
            floor: self.position.floor,
            cause,
            may_have_forgotten_sends: self.commands_pending || self.position.resume_pending,
            now,
            proven_now: self.proven_now(),
        }
    }

    /// Reads waiting rows again.
    fn read_waiting(
        &self,
        db: &ChatDb,
        wanted: WaitingRows,
    ) -> Result<Vec<Candidate>, PipelineError> {
        if self.holding_or_held == 0 && self.waiting == 0 {
            return Ok(Vec::new());
        }
        let now = self.now();
        let state = &self.context.state;
        let mut waiting = state.read(waiting::list)?;
        if waiting.iter().any(|row| row.since > now) {
            state.write(|tx| waiting::begin_no_later_than(tx, now))?;
            for row in &mut waiting {
                row.since = row.since.min(now);
            }
        }
        let mut candidates = Vec::new();
        let mut gone = Vec::new();
        for Waiting {
            rowid,
            guid,
            reason,
            since,
        } in waiting
        {
            let is_young = now - since < YOUNG || reason == BEHIND_INCOMPLETE_ROW;
            if wanted == WaitingRows::Due && !is_young && !db.is_joined(rowid)? {
                continue;
            }
            match db.row(rowid)? {
                Some(row) if row.guid == guid => candidates.push(Candidate {
                    is_new: false,
                    ..Candidate::new(row, since)
                }),
                // The row was deleted while it waited, as Messages deletes a code that it has filled in.
                _ => gone.push(rowid),
            }
        }
        if !gone.is_empty() {
            state.write(|tx| {
                gone.iter()
                    .try_for_each(|rowid| waiting::remove(tx, *rowid))
            })?;
        }
        Ok(candidates)
    }

    fn count_waiting(&mut self, young: u32) -> Result<(), PipelineError> {
        if young > 0 || self.holding_or_held > 0 || self.waiting > 0 {
            self.holding_or_held = young;
            self.waiting = self.context.state.read(waiting::count)?;
        }
        Ok(())
    }

    /// Once a minute, and after sleep: finds out whether the file is still the same, and removes old records.
    fn sweep(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let sequence = db.sequence()?;
        if self.identify(db, sequence)? == FileIdentity::Replaced {
            return self.adopt_rebuilt(db, sequence);
        }
        self.position.sequence = sequence;
        let position = &self.position;
        // By proven time, since under a clock years ahead every record would look old.
        let before = self.proven_now() - RETENTION;
        self.context.state.write(|tx| {
            read_position::save(tx, position)?;
            seen::clean(tx, before, CLEAN_BATCH)?;
            connectivity::clean(tx, before)
        })?;
        self.waiting = self.context.state.read(waiting::count)?;
        Ok(())
    }

    /// Notes a proof of the network that came since the last step.
    fn note_contact(&mut self) -> Result<(), PipelineError> {
        let Some(at) = self.context.pipeline_handle.take_contact() else {
            return Ok(());
        };
        let state = &self.context.state;
        if let Some(period) = self.arrivals.note_contact(at) {
            state.write(|tx| connectivity::add_offline_period(tx, period))?;
        }
        if at - self.noted_contact >= NOTE_CONTACT_EVERY || at < self.noted_contact {
            state.write(|tx| connectivity::set_last(tx, at))?;
            self.noted_contact = at;
        }
        Ok(())
    }

    /// Wakes the loops that have work after a transaction.
    fn wake_others(&self, result: &BatchResult) {
        if result.enqueued > 0 {
            (self.context.wake_sender)();
        }
        if result.has_moved_bubbles {
            (self.context.wake_ledger)();
        }
    }

    /// The earlier of the present and the last proof of the network; far in the past without a proof. An answer
    /// proves nothing under a clock more than five minutes off, so the time of a proof is at most that wrong.
    fn proven_now(&self) -> i64 {
        self.arrivals
            .last_contact()
            .map_or(i64::MIN / 2, |proven| proven.min(self.now()))
    }

    fn now(&self) -> i64 {
        self.context.clock.now().as_micros()
    }
}

/// The row at a ROWID as an anchor, if there is one.
fn anchor_at(db: &ChatDb, rowid: i64) -> Result<Option<Anchor>, PipelineError> {
    let guid = db.guid_at(rowid)?;
    Ok(guid.map(|guid| Anchor { rowid, guid }))
}
