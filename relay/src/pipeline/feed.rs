//! Reading one open chat.db: where to begin, what is new, what changed.

use std::time::{Duration, Instant};

use chatdb::{ChatDb, Wake};
use crash_point::crash_point;
use shared_protocol::NewestMessage;

use super::arrival::{Arrivals, Occasion};
use super::origin::{Origin, origin, with_anchor};
use super::settle::{Candidate, Rules, Settled, settle};
use super::{FirstRun, IDLE_LOOK, PipelineContext, PipelineError, Resume, WAITING_LOOK, changes};
use crate::state::contact::{self, Gap};
use crate::state::source::{self, Anchor, Source};
use crate::state::{seen, waiting};

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// Rows per transaction.
const BATCH: u32 = 500;
/// Rows this old are compared for changes.
const CHANGES_WINDOW: i64 = 24 * HOUR;
/// In a rebuilt file, rows sent this long before the last delivery are looked at.
const REBUILD_WINDOW: i64 = 48 * HOUR;
/// Rows that wait longer than this are looked at when chat.db changes, not every few milliseconds.
const YOUNG: i64 = 10 * SECOND;
/// More waiting rows than this are looked at by the sweep alone.
const MANY_WAITING: u64 = 200;
/// Contact is written down this often.
const CONTACT_NOTE: i64 = 30 * SECOND;
/// A comparison of recent rows may take at most one part in this many of the thread's time.
const COMPARE_SHARE: u32 = 20;
/// Between a change and the comparison that it calls for.
const COMPARE_PAUSE: Duration = Duration::from_millis(20);
/// An anchor is set every so many rows.
const ANCHOR_EVERY: i64 = 100;
/// Gaps and what was seen are remembered this long.
const RETENTION: i64 = 90 * 24 * HOUR;
/// Rows removed per sweep.
const CLEAN_BATCH: u32 = 2_000;

/// One open database, and how far it is read.
pub(crate) struct Feed<'c> {
    context: &'c PipelineContext,
    source: Source,
    anchors: Vec<Anchor>,
    arrivals: Arrivals,
    noted_contact: i64,
    compare: Compare,
    /// Rows still waiting, young ones and all.
    waiting: (u32, u64),
}

/// When recent rows are compared next.
struct Compare {
    due: bool,
    not_before: Instant,
    /// Rows sent from here on are compared, microseconds since 1970.
    since: i64,
}

impl<'c> Feed<'c> {
    /// Finds out what the open file is to the cursor: new to this relay, the same as before, or
    /// another one at the same path.
    pub(crate) fn bind(context: &'c PipelineContext, db: &ChatDb) -> Result<Self, PipelineError> {
        let now = context.clock.now().as_micros();
        let sequence = db.sequence()?;
        let (source, anchors, last_contact, gaps, newest, waiting) =
            context.state.read(|state| {
                Ok((
                    source::load(state)?,
                    source::anchors(state)?,
                    contact::last(state)?,
                    contact::gaps_since(state, now - RETENTION)?,
                    seen::newest_forwarded(state)?,
                    waiting::count(state)?,
                ))
            })?;
        let arrivals = Arrivals::new(newest, last_contact, gaps);
        let first = source.is_none();
        let source = source.unwrap_or_else(|| first_source(context, sequence, now));
        let mut feed = Self {
            context,
            compare: Compare {
                due: true,
                not_before: Instant::now(),
                since: source.last_good_scan_at.min(now) - CHANGES_WINDOW,
            },
            source,
            anchors,
            arrivals,
            noted_contact: last_contact.unwrap_or(0),
            waiting: (0, waiting),
        };
        if first {
            feed.begin(db, now)?;
        } else if feed.origin(db, sequence)? == Origin::Replaced {
            feed.adopt_rebuilt(db, sequence)?;
        }
        Ok(feed)
    }

    /// Does what is due; tells how long to wait at most before the next step.
    pub(crate) fn step(&mut self, db: &ChatDb, wake: Wake) -> Result<Duration, PipelineError> {
        self.note_contact()?;
        let all_waiting = match wake {
            Wake::Changed => self.waiting.1 <= MANY_WAITING,
            Wake::Sweep | Wake::Nudged => true,
            Wake::Elapsed | Wake::Replaced => false,
        };
        if wake == Wake::Sweep {
            self.sweep(db)?;
        }
        if wake != Wake::Elapsed || self.waiting.0 > 0 {
            self.read_new(db, all_waiting)?;
        }
        if matches!(wake, Wake::Changed | Wake::Sweep) && !self.compare.due {
            // Not at once: a row's join is written right behind the row, and comes first.
            self.compare.not_before = self.compare.not_before.max(Instant::now() + COMPARE_PAUSE);
            self.compare.due = true;
        }
        if self.compare.due && Instant::now() >= self.compare.not_before {
            self.compare_recent(db)?;
        }
        while let Ok(newest) = self.context.newest.try_recv() {
            self.resume(db, newest.as_ref())?;
        }
        self.context.health.last_good_scan.store(
            self.context.clock.now().as_micros(),
            std::sync::atomic::Ordering::Relaxed,
        );
        let compare_in = if self.compare.due {
            self.compare
                .not_before
                .saturating_duration_since(Instant::now())
        } else {
            IDLE_LOOK
        };
        let waiting_in = if self.waiting.0 > 0 {
            WAITING_LOOK
        } else {
            IDLE_LOOK
        };
        Ok(compare_in.min(waiting_in).max(Duration::from_millis(1)))
    }

    /// Reads everything above the cursor, and waiting rows again, batch by batch.
    fn read_new(&mut self, db: &ChatDb, all_waiting: bool) -> Result<(), PipelineError> {
        loop {
            let now = self.now();
            let rows = db.rows_after(self.source.cursor, BATCH)?;
            let full = rows.len() == BATCH as usize;
            let newest = rows.last().map(|row| (row.rowid, row.guid.clone()));
            let since = if all_waiting { i64::MIN } else { now - YOUNG };
            let mut candidates = self.waiting_again(db, since)?;
            candidates.extend(rows.into_iter().map(|row| Candidate { row, since: now }));
            if candidates.is_empty() {
                self.count_waiting(0)?;
                return Ok(());
            }
            let mut source = self.source.clone();
            source.last_good_scan_at = now;
            let mut anchors = None;
            if let Some((rowid, guid)) = newest {
                source.cursor = rowid;
                source.sequence = source.sequence.max(rowid);
                let far = self
                    .anchors
                    .first()
                    .is_none_or(|a| rowid - a.rowid >= ANCHOR_EVERY);
                anchors = far.then(|| with_anchor(self.anchors.clone(), Anchor { rowid, guid }));
            }
            let settled = self.commit(&candidates, Occasion::Ordinary, Some(source), anchors)?;
            self.count_waiting(settled.waiting)?;
            if !full {
                return Ok(());
            }
        }
    }

    /// Settles rows and moves the cursor, in one transaction; memory follows only after the commit.
    fn commit(
        &mut self,
        candidates: &[Candidate],
        occasion: Occasion,
        source: Option<Source>,
        anchors: Option<Vec<Anchor>>,
    ) -> Result<Settled, PipelineError> {
        let rules = Rules {
            relay: &self.context.relay,
            options: &self.context.options,
            floor: self.source.floor,
            occasion,
            now: self.now(),
        };
        let arrivals = &mut self.arrivals;
        if !candidates.is_empty() {
            crash_point("rows_read");
        }
        let settled = self.context.state.write(|tx| {
            let settled = settle(tx, arrivals, candidates, &rules)?;
            if let Some(source) = &source {
                source::save(tx, source)?;
            }
            if let Some(anchors) = &anchors {
                source::set_anchors(tx, anchors)?;
            }
            Ok(settled)
        })?;
        if let Some(source) = source {
            self.source = source;
        }
        if let Some(anchors) = anchors {
            self.anchors = anchors;
        }
        if settled.held > 0 {
            tracing::warn!(
                held = settled.held,
                "messages that may be old ones are held; see `archety-relay quarantine list`"
            );
        }
        if settled.enqueued > 0 {
            crash_point("rows_committed");
            (self.context.wake_sender)();
        }
        Ok(settled)
    }

    /// The waiting rows that began at or after `since`, read again.
    fn waiting_again(&self, db: &ChatDb, since: i64) -> Result<Vec<Candidate>, PipelineError> {
        if self.waiting == (0, 0) {
            return Ok(Vec::new());
        }
        let rows = self
            .context
            .state
            .read(|state| waiting::list_since(state, since))?;
        let mut candidates = Vec::with_capacity(rows.len());
        let mut gone = Vec::new();
        for entry in rows {
            match db.row(entry.rowid)? {
                Some(row) if row.guid == entry.guid => {
                    candidates.push(Candidate {
                        row,
                        since: entry.since,
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
        if young > 0 || self.waiting != (0, 0) {
            self.waiting = (young, self.context.state.read(waiting::count)?);
        }
        Ok(())
    }

    /// Compares recent rows with what was settled. The more there are, the more seldom.
    fn compare_recent(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let started = Instant::now();
        let (now, since, cursor) = (self.now(), self.compare.since, self.source.cursor);
        let rows = self
            .context
            .state
            .read(|state| changes::find(db, state, since, cursor))??;
        if !rows.is_empty() {
            let (relay, options) = (&self.context.relay, &self.context.options);
            let enqueued = self.context.state.write(|tx| {
                let mut enqueued = 0;
                for row in &rows {
                    enqueued += changes::settle_change(tx, relay, options, row, now)?;
                }
                Ok(enqueued)
            })?;
            if enqueued > 0 {
                (self.context.wake_sender)();
            }
        }
        self.compare = Compare {
            due: false,
            not_before: Instant::now() + started.elapsed() * COMPARE_SHARE,
            since: now - CHANGES_WINDOW,
        };
        Ok(())
    }

    /// Once a minute, and after sleep: is it still the same file, and what can be forgotten?
    fn sweep(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let sequence = db.sequence()?;
        if self.origin(db, sequence)? == Origin::Replaced {
            return self.adopt_rebuilt(db, sequence);
        }
        let now = self.now();
        self.source.last_good_scan_at = now;
        self.source.sequence = sequence;
        let source = &self.source;
        self.context.state.write(|tx| {
            source::save(tx, source)?;
            seen::clean(tx, now - RETENTION, CLEAN_BATCH)?;
            contact::clean(tx, now - RETENTION)?;
            Ok(())
        })?;
        self.waiting.1 = self.context.state.read(waiting::count)?;
        Ok(())
    }

    fn origin(&self, db: &ChatDb, sequence: i64) -> Result<Origin, PipelineError> {
        let mut found = Vec::with_capacity(self.anchors.len());
        for anchor in &self.anchors {
            found.push((anchor.clone(), db.guid_at(anchor.rowid)?));
        }
        Ok(origin(self.source.sequence, sequence, &found))
    }

    /// The very first run: the cursor starts at the end of what is there.
    fn begin(&mut self, db: &ChatDb, now: i64) -> Result<(), PipelineError> {
        let anchors = match db.guid_at(self.source.sequence)? {
            Some(guid) => vec![Anchor {
                rowid: self.source.sequence,
                guid,
            }],
            None => Vec::new(),
        };
        if let FirstRun::Since(_) = self.context.first_run {
            let rowids = db.rowids_since(self.source.floor)?;
            tracing::info!(rows = rowids.len(), "first run: going back as asked");
            self.settle_rowids(
                db,
                &rowids,
                Occasion::FirstRun,
                self.source.clone(),
                anchors,
            )?;
        } else {
            tracing::info!("first run: messages from now on are relayed");
            self.commit(
                &[],
                Occasion::FirstRun,
                Some(self.source.clone()),
                Some(anchors),
            )?;
        }
        self.note_contact_at(now)
    }

    /// Another database lies at the path. Its recent rows are looked at one by one: guids that were
    /// accounted for are passed over, copies under new guids are recognised, the rest is new.
    fn adopt_rebuilt(&mut self, db: &ChatDb, sequence: i64) -> Result<(), PipelineError> {
        let last_delivery = self.context.state.read(seen::newest_forwarded)?;
        let from = last_delivery.unwrap_or(self.source.floor) - REBUILD_WINDOW;
        let rowids = db.rowids_since(from.max(self.source.floor))?;
        tracing::warn!(
            rows = rowids.len(),
            "chat.db was replaced; matching its recent rows"
        );
        self.context.state.write(|tx| waiting::clear(tx))?;
        self.waiting = (0, 0);
        let anchors = match (rowids.last(), db.guid_at(sequence)?) {
            (_, Some(guid)) => vec![Anchor {
                rowid: sequence,
                guid,
            }],
            (Some(rowid), None) => db
                .guid_at(*rowid)?
                .map(|guid| Anchor {
                    rowid: *rowid,
                    guid,
                })
                .into_iter()
                .collect(),
            (None, None) => Vec::new(),
        };
        let source = Source {
            cursor: sequence,
            sequence,
            ..self.source.clone()
        };
        self.settle_rowids(db, &rowids, Occasion::Rebuilt, source, anchors)
    }

    /// Settles the given rows in batches. The source and the anchors change with the last one, so
    /// that a relay killed in between begins again and finds the first batches accounted for.
    fn settle_rowids(
        &mut self,
        db: &ChatDb,
        rowids: &[i64],
        occasion: Occasion,
        source: Source,
        anchors: Vec<Anchor>,
    ) -> Result<(), PipelineError> {
        for batch in rowids.chunks(BATCH as usize) {
            let now = self.now();
            let mut candidates = Vec::with_capacity(batch.len());
            for rowid in batch.iter().filter(|rowid| **rowid <= source.cursor) {
                candidates.extend(db.row(*rowid)?.map(|row| Candidate { row, since: now }));
            }
            let settled = self.commit(&candidates, occasion, None, None)?;
            self.count_waiting(settled.waiting)?;
        }
        self.commit(&[], occasion, Some(source), Some(anchors))?;
        Ok(())
    }

    /// The backend has said where this relay's messages end. If the state was new but the backend
    /// knows this relay, the state was lost: everything after that message is forwarded.
    fn resume(&mut self, db: &ChatDb, newest: Option<&NewestMessage>) -> Result<(), PipelineError> {
        if !self.source.resume_pending {
            return Ok(());
        }
        let mut source = Source {
            resume_pending: false,
            ..self.source.clone()
        };
        let Some(newest) = newest else {
            self.commit(&[], Occasion::Ordinary, Some(source), None)?;
            return Ok(());
        };
        let ends_at = newest.timestamp.as_micros();
        let began_at = source.floor;
        source.floor = source.floor.min(ends_at);
        let after = db.rowid_of(&newest.message_guid)?.unwrap_or(0);
        let mut rowids = db.rowids_since(source.floor)?;
        rowids.retain(|rowid| *rowid > after);
        tracing::warn!(
            rows = rowids.len(),
            "the relay's state is new, but the backend knows it; resuming"
        );
        let gap = Gap {
            started_at: ends_at,
            ended_at: began_at.max(ends_at),
        };
        self.context.state.write(|tx| contact::add_gap(tx, gap))?;
        self.arrivals.add_gap(gap);
        self.source.floor = source.floor;
        self.settle_rowids(
            db,
            &rowids,
            Occasion::Ordinary,
            source,
            self.anchors.clone(),
        )
    }

    fn note_contact(&mut self) -> Result<(), PipelineError> {
        let Some(at) = self.context.health.take_contact() else {
            return Ok(());
        };
        if let Some(gap) = self.arrivals.contact(at) {
            self.context.state.write(|tx| contact::add_gap(tx, gap))?;
        }
        if at - self.noted_contact >= CONTACT_NOTE || at < self.noted_contact {
            self.note_contact_at(at)?;
        }
        Ok(())
    }

    fn note_contact_at(&mut self, at: i64) -> Result<(), PipelineError> {
        self.context.state.write(|tx| contact::set_last(tx, at))?;
        self.noted_contact = at;
        Ok(())
    }

    fn now(&self) -> i64 {
        self.context.clock.now().as_micros()
    }
}

fn first_source(context: &PipelineContext, sequence: i64, now: i64) -> Source {
    let floor = match context.first_run {
        FirstRun::Now => now,
        FirstRun::Since(back) => now - i64::try_from(back.as_micros()).unwrap_or(now),
    };
    Source {
        cursor: sequence,
        sequence,
        floor,
        last_good_scan_at: now,
        resume_pending: context.resume == Resume::AskBackend,
    }
}
