//! Chooses the message from which a relay with an empty state reads on, once the backend has answered.
//!
//! An empty state may be a lost one. Nothing is read until the backend has said whether it has messages of
//! this relay. If it has, every message after the newest of them is new. The answer also proves the clock,
//! which may have been years off when the state was made.

use chatdb::ChatDb;
use shared_protocol::NewestMessage;

use super::begin::first_floor;
use super::{Feed, HOUR, SECOND};
use crate::pipeline::freshness::ReadCause;
use crate::pipeline::{FirstRun, PipelineError};
use crate::state::connectivity::{self, OfflinePeriod};
use crate::state::meta;
use crate::state::read_position::ReadPosition;

/// Key of the message that the backend named first. The relay resumes after it until all later rows are accounted
/// for: if it is killed before that, the backend may name one of the later rows, which were posted meanwhile.
const TARGET: &str = meta::RESUME_TARGET;
/// If chat.db has the backend's newest message: rows sent up to this long before it are read if they appeared
/// after it.
const WINDOW: i64 = 48 * HOUR;
/// The maximum difference between the clocks of senders. If chat.db no longer has the message, rows sent up to
/// this long before it are read.
const SLACK: i64 = 300 * SECOND;

impl Feed<'_> {
    /// Continues after the newest message that the backend has of this relay.
    pub(super) fn resume(
        &mut self,
        db: &ChatDb,
        newest: Option<&NewestMessage>,
    ) -> Result<(), PipelineError> {
        let state = &self.context.state;
        let kept = state.read(|state| meta::json::<NewestMessage>(state, TARGET))?;
        let Some(newest) = kept.or_else(|| newest.cloned()) else {
            return self.begin_new(db);
        };
        let now = self.now();
        let ends_at = newest.timestamp.as_micros().min(now);
        let period = OfflinePeriod {
            started_at: ends_at,
            ended_at: now,
        };
        state.write(|tx| {
            meta::set_json(tx, TARGET, &newest)?;
            connectivity::add_offline_period(tx, period)
        })?;
        self.arrivals.add_offline_period(period);

        let after = db.rowid_of(&newest.message_guid)?;
        let span = if after.is_some() { WINDOW } else { SLACK };
        let from = ends_at - span;
        let mut rowids = db.rowids_since(from)?;
        rowids.retain(|rowid| Some(*rowid) > after);
        tracing::warn!(
            rows = rowids.len(),
            "the state is new, but the backend has messages of this relay; reading those after the newest"
        );
        let sequence = db.sequence()?;
        let position = ReadPosition {
            cursor: sequence,
            sequence,
            floor: ends_at - SLACK,
            resume_pending: false,
            ..self.position.clone()
        };
        // The rows that are read now must not be recorded as sent before the floor.
        self.position.floor = from;
        self.position.cursor = sequence;
        self.read_rowids(db, &rowids, ReadCause::Appeared, &position)
    }

    /// The backend has no message of this relay, so the relay is new.
    fn begin_new(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let now = self.now();
        let mut position = self.position.clone();
        position.resume_pending = false;
        if position.floor > now {
            // The clock was ahead when the state was made, and how long ago that was is unknown. The rows
            // above the cursor have appeared since then.
            position.floor = first_floor(self.context.first_run, now - 24 * HOUR);
        }
        let mut rowids = Vec::new();
        if self.context.first_run == FirstRun::Now {
            tracing::info!(
                "first run: the backend has no message of this relay; messages from now on are relayed"
            );
        } else {
            rowids = db.rowids_since(position.floor)?;
            tracing::info!(
                rows = rowids.len(),
                "first run: reading older messages as --since asks"
            );
        }
        self.position.floor = position.floor;
        self.read_rowids(db, &rowids, ReadCause::FirstRun, &position)
    }
}
