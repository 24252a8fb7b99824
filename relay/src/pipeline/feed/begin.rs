//! Where to begin with an open chat.db.

use std::time::Duration;

use chatdb::ChatDb;

use super::compare::Compare;
use super::filtered::FilteredLook;
use super::{BATCH, Feed, Patients, RETENTION};
use crate::pipeline::arrival::{Arrivals, Occasion};
use crate::pipeline::candidate::{Candidate, Look};
use crate::pipeline::groups::Groups;
use crate::pipeline::origin::Origin;
use crate::pipeline::own_addresses::OwnAddresses;
use crate::pipeline::{FirstRun, PipelineContext, PipelineError, Resume};
use crate::state::source::{self, Anchor, Source};
use crate::state::{contact, seen, waiting};

impl<'c> Feed<'c> {
    /// Finds out what the open file is to the cursor: new to this relay, the same as before, or
    /// another one at the same path.
    pub fn bind(context: &'c PipelineContext, db: &ChatDb) -> Result<Self, PipelineError> {
        let now = context.clock.now().as_micros();
        let sequence = db.sequence()?;
        let (source, anchors, last_contact, gaps, newest, waiting) =
            context.state.read(|state| {
                Ok((
                    source::load(state)?,
                    source::anchors(state)?,
                    contact::last(state)?,
                    contact::gaps_since(state, now - RETENTION)?,
                    seen::newest_forwarded(state, now)?,
                    waiting::count(state)?,
                ))
            })?;
        let first = source.is_none();
        let source = source.unwrap_or_else(|| first_source(context, sequence, now));
        let mut feed = Self {
            context,
            compare: Compare::since_last_scan(source.last_good_scan_at, now),
            source,
            anchors,
            filtered: FilteredLook::default(),
            arrivals: Arrivals::new(newest, last_contact, gaps),
            noted_contact: last_contact.unwrap_or(0),
            waiting: Patients {
                young: 0,
                all: waiting,
            },
            options: context.options.clone(),
            own_addresses: OwnAddresses::default(),
            groups: context.state.read(Groups::load)?,
        };
        feed.recall_lines(db)?;
        if first {
            feed.begin(db)?;
        } else if feed.origin(db, sequence)? == Origin::Replaced {
            feed.adopt_rebuilt(db, sequence)?;
        }
        Ok(feed)
    }

    /// The very first run: the cursor starts at the end of what is there.
    fn begin(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let sequence = self.source.sequence;
        let end = db.guid_at(sequence)?.map(|guid| Anchor {
            rowid: sequence,
            guid,
        });
        let anchors: Vec<_> = end.into_iter().collect();
        let source = self.source.clone();
        match self.context.first_run {
            FirstRun::Since(_) if !source.resume_pending => {
                let rowids = db.rowids_since(source.floor)?;
                tracing::info!(rows = rowids.len(), "first run: going back as asked");
                self.settle_rowids(db, &rowids, Occasion::FirstRun, source, anchors)
            }
            _ if source.resume_pending => {
                tracing::info!("first run: asking the backend whether it knows this relay");
                self.commit(
                    db,
                    Vec::new(),
                    Occasion::FirstRun,
                    Some(source),
                    Some(anchors),
                )?;
                Ok(())
            }
            _ => {
                tracing::info!("first run: messages from now on are relayed");
                self.commit(
                    db,
                    Vec::new(),
                    Occasion::FirstRun,
                    Some(source),
                    Some(anchors),
                )?;
                Ok(())
            }
        }
    }

    /// Settles the given rows in batches. The source and the anchors change with the last one, so
    /// that a relay killed or stopped in between begins again and finds the first batches accounted
    /// for.
    pub(super) fn settle_rowids(
        &mut self,
        db: &ChatDb,
        rowids: &[i64],
        occasion: Occasion,
        source: Source,
        anchors: Vec<Anchor>,
    ) -> Result<(), PipelineError> {
        for batch in rowids.chunks(BATCH as usize) {
            let since = self.now();
            let mut candidates = Vec::with_capacity(batch.len());
            for rowid in batch.iter().filter(|rowid| **rowid <= source.cursor) {
                let row = db.row(*rowid)?;
                candidates.extend(row.map(|row| Candidate {
                    row,
                    since,
                    look: Look::First,
                    copy_of: None,
                }));
            }
            let settled = self.commit(db, candidates, occasion, None, None)?;
            self.count_waiting(settled.waiting)?;
            if self.context.health.is_stopping() {
                return Ok(());
            }
            self.note_contact()?;
        }
        self.commit(db, Vec::new(), occasion, Some(source), Some(anchors))?;
        Ok(())
    }
}

/// Where a relay without a state begins.
fn first_source(context: &PipelineContext, sequence: i64, now: i64) -> Source {
    Source {
        cursor: sequence,
        sequence,
        floor: first_floor(context.first_run, now),
        last_good_scan_at: now,
        resume_pending: context.resume == Resume::AskBackend,
    }
}

/// What a first run that begins at `now` leaves behind it.
pub(super) fn first_floor(first_run: FirstRun, now: i64) -> i64 {
    let back = match first_run {
        FirstRun::Now => Duration::ZERO,
        FirstRun::Since(back) => back,
    };
    now - i64::try_from(back.as_micros()).unwrap_or(now)
}
