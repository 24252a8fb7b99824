//! Reads another database that lies at the path of chat.db, after a restore, a rebuild or a migration.

use chatdb::ChatDb;

use super::{Feed, HOUR, RETENTION, SECOND, anchor_at};
use crate::pipeline::file_identity::{FileIdentity, identify};
use crate::pipeline::freshness::ReadCause;
use crate::pipeline::{PipelineError, filtered};
use crate::state::read_position::{self, ReadPosition};
use crate::state::{filtered as filtered_rows, meta, seen, waiting};

/// Rows of the new file are read if they were sent at most this long before the newest live message.
const WINDOW: i64 = 48 * HOUR;

impl Feed<'_> {
    /// Whether the open file is the one to whose rows the cursor refers.
    pub(super) fn identify(
        &self,
        db: &ChatDb,
        sequence: i64,
    ) -> Result<FileIdentity, PipelineError> {
        let mut found = Vec::with_capacity(self.position.anchors.len());
        for anchor in &self.position.anchors {
            found.push((anchor.clone(), db.guid_at(anchor.rowid)?));
        }
        Ok(identify(self.position.sequence, sequence, &found))
    }

    /// Reads the new file's recent rows one by one. A guid that is accounted for is passed over, a copy
    /// under a new guid is recognised, and the rest is new.
    pub(super) fn adopt_rebuilt(
        &mut self,
        db: &ChatDb,
        sequence: i64,
    ) -> Result<(), PipelineError> {
        let now = self.now();
        let newest_forwarded = |state: &_| seen::newest_forwarded(state, now);
        let newest_live = self.context.state.read(newest_forwarded)?;
        let from = newest_live.unwrap_or(self.position.floor) - WINDOW;
        // Records of older rows were removed, and such rows would be taken for new.
        let rowids = db.rowids_since(from.max(self.position.floor).max(now - RETENTION))?;
        tracing::warn!(
            rows = rowids.len(),
            "chat.db was replaced; matching its recent rows"
        );
        let (began_at, chat_db_file) = self.context.state.write(|tx| {
            waiting::clear(tx)?;
            // A relay that is killed before the end reads the rows again, but keeps this time, since the posts
            // of the first attempt came from the new file.
            let began_at = meta::number(tx, meta::REBUILD_BEGAN_AT)?
                // A later time comes from a clock that was ahead.
                .filter(|began_at| *began_at <= now + SECOND)
                .map_or_else(|| seen::time_after_last(tx, now), Ok)?;
            meta::set(tx, meta::REBUILD_BEGAN_AT, &began_at.to_string())?;
            Ok((began_at, read_position::begin_chat_db_file(tx, began_at)?))
        })?;
        self.chat_db_file = chat_db_file;
        (self.holding_or_held, self.waiting) = (0, 0);
        self.find_filtered_again(db)?;
        let mut anchor = anchor_at(db, sequence)?;
        if anchor.is_none()
            && let Some(rowid) = rowids.last()
        {
            anchor = anchor_at(db, *rowid)?;
        }
        let position = ReadPosition {
            cursor: sequence,
            sequence,
            anchors: anchor.into_iter().collect(),
            ..self.position.clone()
        };
        self.read_rowids(db, &rowids, ReadCause::Rebuilt { began_at }, &position)?;
        self.forget_listed_twice(db)
    }

    /// Removes filtered messages that are listed twice. If the relay panicked while it searched for the row
    /// of a listed message, that row may have been listed again under its new guid.
    fn forget_listed_twice(&self, db: &ChatDb) -> Result<(), PipelineError> {
        let state = &self.context.state;
        for id in &self.filtered.set_aside {
            let Some(listed) = state.read(|state| filtered_rows::find(state, *id))? else {
                continue;
            };
            if db.filter_marks(listed.rowid, &listed.guid)?.is_none() {
                state.write(|tx| {
                    if filtered_rows::has_copy(tx, &listed)? {
                        filtered::forget_deleted(tx, *id)?;
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}
