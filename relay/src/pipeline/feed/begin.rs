//! Chooses the first row to read of an open chat.db.

use std::time::Duration;

use chatdb::ChatDb;

use super::bubbles::WatchedBubbles;
use super::compare::Compare;
use super::filtered::FilteredPass;
use super::resend::ResendProgress;
use super::{BATCH, Feed, RETENTION, anchor_at};
use crate::pipeline::candidate::Candidate;
use crate::pipeline::file_identity::FileIdentity;
use crate::pipeline::freshness::{ArrivalHistory, ReadCause};
use crate::pipeline::groups::GroupNames;
use crate::pipeline::own_addresses::OwnAddressFinder;
use crate::pipeline::{FirstRun, PipelineContext, PipelineError, Resume};
use crate::state::read_position::{self, ReadPosition};
use crate::state::{connectivity, meta, seen, waiting};

impl<'c> Feed<'c> {
    /// Begins to read the open file, which may be new to this relay, the same as before, or another file
    /// at the same path.
    pub fn bind(context: &'c PipelineContext, db: &ChatDb) -> Result<Self, PipelineError> {
        let now = context.clock.now().as_micros();
        let sequence = db.sequence()?;
        let (position, last_contact, offline_periods, newest_live, waiting, groups, chat_db_file) =
            context.state.read(|state| {
                Ok((
                    read_position::load(state)?,
                    connectivity::last(state)?,
                    connectivity::offline_periods_since(state, now - RETENTION)?,
                    seen::newest_forwarded(state, now)?,
                    waiting::count(state)?,
                    GroupNames::load(state)?,
                    read_position::chat_db_file(state)?,
                ))
            })?;
        let commands_pending = context.resume == Resume::AskBackend
            && context
                .state
                .read(|state| meta::get(state, meta::COMMANDS_PENDING))?
                .is_some();
        let is_first_run = position.is_none();
        let position = position.unwrap_or_else(|| first_position(context, sequence, now));
        let mut feed = Self {
            context,
            compare: Compare::since_last_scan(position.last_good_scan_at, now),
            position,
            filtered: FilteredPass::default(),
            arrivals: ArrivalHistory::new(newest_live, last_contact, offline_periods),
            noted_contact: last_contact.unwrap_or(0),
            holding_or_held: 0,
            waiting,
            options: context.options.clone(),
            own_addresses: OwnAddressFinder::default(),
            groups,
            chat_db_file,
            watched_bubbles: WatchedBubbles::default(),
            resending: ResendProgress::default(),
            commands_pending,
        };
        feed.load_lines(db)?;
        if is_first_run {
            feed.begin(db)?;
        } else if !commands_pending && feed.identify(db, sequence)? == FileIdentity::Replaced {
            feed.adopt_rebuilt(db, sequence)?;
        }
        Ok(feed)
    }

    /// Begins the very first run, with the cursor at the end of chat.db.
    fn begin(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let mut position = self.position.clone();
        position.anchors.extend(anchor_at(db, position.sequence)?);
        let mut rowids = Vec::new();
        if position.resume_pending {
            tracing::info!("first run: asking the backend whether it has messages of this relay");
        } else if self.context.first_run == FirstRun::Now {
            tracing::info!("first run: messages from now on are relayed");
        } else {
            rowids = db.rowids_since(position.floor)?;
            tracing::info!(
                rows = rowids.len(),
                "first run: reading older messages as --since asks"
            );
        }
        self.read_rowids(db, &rowids, ReadCause::FirstRun, &position)
    }

    /// Decides about the given rows in batches. `position` is written after the last batch. So a relay that
    /// is killed or stopped in between begins again, and finds the first batches accounted for. Rows above the
    /// cursor of `position` are left for [`read_new`](Self::read_new).
    pub(super) fn read_rowids(
        &mut self,
        db: &ChatDb,
        rowids: &[i64],
        cause: ReadCause,
        position: &ReadPosition,
    ) -> Result<(), PipelineError> {
        for batch in rowids.chunks(BATCH as usize) {
            let since = self.now();
            let mut candidates = Vec::with_capacity(batch.len());
            for rowid in batch.iter().filter(|rowid| **rowid <= position.cursor) {
                candidates.extend(db.row(*rowid)?.map(|row| Candidate::new(row, since)));
            }
            let result = self.commit(db, candidates, cause, None)?;
            self.count_waiting(result.waiting)?;
            if self.context.pipeline_handle.is_stopping() {
                return Ok(());
            }
            self.note_contact()?;
        }
        self.commit(db, Vec::new(), cause, Some(position))?;
        Ok(())
    }
}

/// The position at which a relay without a state begins.
fn first_position(context: &PipelineContext, sequence: i64, now: i64) -> ReadPosition {
    ReadPosition {
        cursor: sequence,
        sequence,
        floor: first_floor(context.first_run, now),
        last_good_scan_at: now,
        resume_pending: context.resume == Resume::AskBackend,
        anchors: Vec::new(),
    }
}

/// The time before which a first run that begins at `now` posts no message.
pub(super) fn first_floor(first_run: FirstRun, now: i64) -> i64 {
    let back = match first_run {
        FirstRun::Now => Duration::ZERO,
        FirstRun::Since(back) => back,
    };
    now - i64::try_from(back.as_micros()).unwrap_or(now)
}
