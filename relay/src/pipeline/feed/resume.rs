//! Where a relay with an empty state begins, once the backend was asked.
//!
//! An empty state may be a lost one. Nothing is read until the backend has said whether it knows
//! messages of this relay: then everything after the newest of them is new. That answer also proves
//! the clock, which may have been years off when the state was made.

use chatdb::ChatDb;
use shared_protocol::NewestMessage;

use super::begin::first_floor;
use super::{Feed, HOUR, SECOND};
use crate::pipeline::arrival::Occasion;
use crate::pipeline::{FirstRun, PipelineError};
use crate::state::contact::{self, Gap};
use crate::state::meta;
use crate::state::source::Source;

/// What the backend said, kept until everything after it is accounted for: what is posted on the way
/// would be its answer the next time.
const TARGET: &str = meta::RESUME_TARGET;
/// Rows sent this long before the backend's newest message are looked at if they came after it.
const WINDOW: i64 = 48 * HOUR;
/// Clocks of senders differ by this much.
const SLACK: i64 = 300 * SECOND;

impl Feed<'_> {
    /// Goes on from where the backend says that this relay's messages end.
    pub(super) fn resume(
        &mut self,
        db: &ChatDb,
        newest: Option<&NewestMessage>,
    ) -> Result<(), PipelineError> {
        let kept = self.context.state.read(|state| meta::get(state, TARGET))?;
        let kept = kept.and_then(|json| serde_json::from_str::<NewestMessage>(&json).ok());
        let Some(newest) = kept.or_else(|| newest.cloned()) else {
            return self.begin_for_good(db);
        };
        let json = serde_json::to_string(&newest).expect("a guid and a number");
        let now = self.now();
        let ends_at = newest.timestamp.as_micros().min(now);
        let gap = Gap {
            started_at: ends_at,
            ended_at: now,
        };
        self.context.state.write(|tx| {
            meta::set(tx, TARGET, &json)?;
            contact::add_gap(tx, gap)
        })?;
        self.arrivals.add_gap(gap);

        let after = db.rowid_of(&newest.message_guid)?;
        let from = if after.is_some() {
            ends_at - WINDOW
        } else {
            ends_at - SLACK
        };
        let mut rowids = db.rowids_since(from)?;
        rowids.retain(|rowid| Some(*rowid) > after);
        tracing::warn!(
            rows = rowids.len(),
            "the relay's state is new, but the backend knows it; resuming"
        );
        let sequence = db.sequence()?;
        let source = Source {
            cursor: sequence,
            sequence,
            floor: ends_at - SLACK,
            resume_pending: false,
            ..self.source.clone()
        };
        self.source.floor = from;
        self.source.cursor = sequence;
        self.settle_rowids(
            db,
            &rowids,
            Occasion::Ordinary,
            source,
            self.anchors.clone(),
        )
    }

    /// The backend knows nothing of this relay: it is new. If the clock was ahead when the state was
    /// made, its beginning lies in the future, and is now.
    fn begin_for_good(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let now = self.now();
        let floor = if self.source.floor > now {
            // When it really began cannot be known; rows above the cursor came after.
            first_floor(self.context.first_run, now - 24 * HOUR)
        } else {
            self.source.floor
        };
        let source = Source {
            resume_pending: false,
            floor,
            ..self.source.clone()
        };
        match self.context.first_run {
            FirstRun::Since(_) => {
                let rowids = db.rowids_since(floor)?;
                tracing::info!(rows = rowids.len(), "first run: going back as asked");
                self.source.floor = floor;
                self.settle_rowids(
                    db,
                    &rowids,
                    Occasion::FirstRun,
                    source,
                    self.anchors.clone(),
                )
            }
            FirstRun::Now => {
                tracing::info!(
                    "first run: the backend knows no message of this relay; messages from now on are relayed"
                );
                self.commit(db, Vec::new(), Occasion::Ordinary, Some(source), None)?;
                Ok(())
            }
        }
    }
}
