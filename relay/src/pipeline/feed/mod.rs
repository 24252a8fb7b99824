//! Reading one open chat.db: what is new since the cursor, in what order, and what is due when.
//!
//! `begin` decides where to start, `rebuilt` what to do with another file at the same path, `resume`
//! what a lost state missed, `batch` how rows and cursor change together, `compare` finds rows that changed in place, `filtered` those whose mark was
//! lifted. Here they are put in order.

mod batch;
mod begin;
mod compare;
mod contacts;
mod filtered;
mod learn;
mod rebuilt;
mod resume;

use std::time::{Duration, Instant};

use chatdb::{ChatDb, Options, Wake};
use crash_point::crash_point;

use super::arrival::{Arrivals, Occasion};
use super::candidate::{Candidate, Look, Rules};
use super::groups::Groups;
use super::origin::{Origin, with_anchor};
use super::own_addresses::OwnAddresses;
use super::{IDLE_LOOK, PipelineContext, PipelineError, RESUME_LOOK, WAITING_LOOK};
use crate::state::source::{self, Anchor, Source};
use crate::state::waiting::{self, BEHIND, Waiting};
use crate::state::{contact, seen};
use compare::Compare;
use filtered::FilteredLook;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// Rows per transaction.
const BATCH: u32 = 500;
/// Rows that wait longer than this are asked for their chat when chat.db changes, and read by the
/// sweep; younger ones are read every few milliseconds.
const YOUNG: i64 = 10 * SECOND;
/// Gaps and what was seen are remembered this long.
const RETENTION: i64 = 90 * 24 * HOUR;
/// Rows removed per sweep.
const CLEAN_BATCH: u32 = 2_000;

/// One open database, and how far it is read.
pub struct Feed<'c> {
    context: &'c PipelineContext,
    source: Source,
    anchors: Vec<Anchor>,
    arrivals: Arrivals,
    noted_contact: i64,
    compare: Compare,
    filtered: FilteredLook,
    waiting: Patients,
    /// What the owner wants, and the own addresses as they are known by now.
    options: Options,
    own_addresses: OwnAddresses,
    groups: Groups,
}

/// How many rows wait.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Patients {
    /// Those that hold others back, or may be completed any moment.
    young: u32,
    all: u64,
}

/// Which waiting rows are looked at again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Young ones, and older ones that a chat has claimed.
    Claimed,
    /// Every one.
    All,
}

impl Feed<'_> {
    /// Does what is due; tells how long to wait at most before the next step.
    pub fn step(&mut self, db: &ChatDb, wake: Wake) -> Result<Duration, PipelineError> {
        crash_point("read");
        self.note_contact()?;
        let mut wake = wake;
        if self.source.resume_pending {
            // Nothing is read before the backend has said where this relay's messages end: what is
            // posted meanwhile would become that end, and hide what came before it.
            let Ok(newest) = self.context.newest.try_recv() else {
                return Ok(RESUME_LOOK);
            };
            self.resume(db, newest.as_ref())?;
            wake = Wake::Changed;
        }
        if wake == Wake::Sweep {
            self.sweep(db)?;
        }
        match wake {
            Wake::Sweep | Wake::Nudged => self.read_new(db, Again::All)?,
            Wake::Changed => self.read_new(db, Again::Claimed)?,
            Wake::Elapsed if self.waiting.young > 0 => self.read_new(db, Again::Claimed)?,
            Wake::Elapsed | Wake::Replaced => {}
        }
        if matches!(wake, Wake::Changed | Wake::Sweep) {
            self.compare.ask();
        }
        self.compare_recent(db)?;
        self.context.health.scanned(self.now());
        let waiting_in = if self.waiting.young > 0 {
            WAITING_LOOK
        } else {
            IDLE_LOOK
        };
        Ok(self
            .compare
            .due_in(Instant::now())
            .map_or(waiting_in, |due| due.min(waiting_in)))
    }

    /// Reads everything above the cursor, and waiting rows again, batch by batch.
    fn read_new(&mut self, db: &ChatDb, again: Again) -> Result<(), PipelineError> {
        loop {
            let rows = db.rows_after(self.source.cursor, BATCH)?;
            let full = rows.len() == BATCH as usize;
            let newest = rows.last().map(|row| Anchor {
                rowid: row.rowid,
                guid: row.guid.clone(),
            });
            let mut candidates = self.waiting_again(db, again)?;
            let since = self.now();
            candidates.extend(rows.into_iter().map(|row| Candidate {
                row,
                since,
                look: Look::First,
                copy_of: None,
            }));
            if candidates.is_empty() {
                return self.count_waiting(0);
            }
            let mut source = self.source.clone();
            let mut anchors = None;
            if let Some(newest) = newest {
                source.cursor = newest.rowid;
                source.sequence = source.sequence.max(newest.rowid);
                // The row at the cursor is always an anchor: a file that was set back by a few rows
                // and grew again differs there and nowhere else.
                anchors = Some(with_anchor(self.anchors.clone(), newest));
            }
            self.release_before(db, &candidates)?;
            let settled = self.commit(db, candidates, Occasion::Ordinary, Some(source), anchors)?;
            self.count_waiting(settled.waiting)?;
            if !full || self.context.health.is_stopping() {
                return Ok(());
            }
            self.note_contact()?;
        }
    }

    /// How many chats and held rows were looked at so far.
    #[cfg(test)]
    pub(super) fn filtered_looks(&self) -> (usize, usize) {
        self.filtered.looks
    }

    /// Looks at what is held back as a pass does, whether or not it is time.
    #[cfg(test)]
    pub(super) fn look_once(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        self.begin_filtered()?;
        while !self.filtered.is_done() {
            self.look_at_filtered(db)?;
        }
        Ok(())
    }

    fn rules(&self, occasion: Occasion) -> Rules<'_> {
        // What a new file tells is never older than the look at it, however coarse the clock.
        let now = match occasion {
            Occasion::Rebuilt { began_at } => self.now().max(began_at),
            Occasion::Ordinary | Occasion::FirstRun => self.now(),
        };
        Rules {
            postmark: &self.context.postmark,
            options: &self.options,
            groups: &self.groups,
            floor: self.source.floor,
            occasion,
            now,
            proven_now: self.proven_now(),
        }
    }

    /// Waiting rows, read again.
    fn waiting_again(&self, db: &ChatDb, again: Again) -> Result<Vec<Candidate>, PipelineError> {
        if self.waiting == Patients::default() {
            return Ok(Vec::new());
        }
        let now = self.now();
        let mut entries = self.context.state.read(waiting::list)?;
        if entries.iter().any(|entry| entry.since > now) {
            self.context
                .state
                .write(|tx| waiting::begin_no_later_than(tx, now))?;
            for entry in &mut entries {
                entry.since = entry.since.min(now);
            }
        }
        let mut candidates = Vec::new();
        let mut gone = Vec::new();
        for entry in entries {
            if again == Again::Claimed && !is_due(&entry, db, now)? {
                continue;
            }
            match db.row(entry.rowid)? {
                Some(row) if row.guid == entry.guid => {
                    candidates.push(Candidate {
                        row,
                        since: entry.since,
                        look: Look::Again,
                        copy_of: None,
                    });
                }
                // Deleted while it waited: a code that Messages filled in and took away, for one.
                _ => gone.push(entry.rowid),
            }
        }
        if !gone.is_empty() {
            self.context.state.write(|tx| {
                gone.iter()
                    .try_for_each(|rowid| waiting::remove(tx, *rowid))
            })?;
        }
        Ok(candidates)
    }

    fn count_waiting(&mut self, young: u32) -> Result<(), PipelineError> {
        if young > 0 || self.waiting != Patients::default() {
            self.waiting = Patients {
                young,
                all: self.context.state.read(waiting::count)?,
            };
        }
        Ok(())
    }

    /// Once a minute, and after sleep: is it still the same file, and what can be forgotten?
    fn sweep(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let sequence = db.sequence()?;
        if self.origin(db, sequence)? == Origin::Replaced {
            return self.adopt_rebuilt(db, sequence);
        }
        self.source.sequence = sequence;
        let source = &self.source;
        // By the time that the network has proven: a clock years ahead would forget everything.
        let before = self.proven_now() - RETENTION;
        self.context.state.write(|tx| {
            source::save(tx, source)?;
            seen::clean(tx, before, CLEAN_BATCH)?;
            contact::clean(tx, before)?;
            Ok(())
        })?;
        self.waiting.all = self.context.state.read(waiting::count)?;
        Ok(())
    }

    fn now(&self) -> i64 {
        self.context.clock.now().as_micros()
    }
}

/// Whether a waiting row is worth reading: it is young, stands behind one that was, or has a chat now.
fn is_due(entry: &Waiting, db: &ChatDb, now: i64) -> Result<bool, PipelineError> {
    Ok(now - entry.since < YOUNG || entry.reason == BEHIND || db.is_joined(entry.rowid)?)
}
