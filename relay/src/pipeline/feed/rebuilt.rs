//! Another database at the path of chat.db: a restore, a rebuild, a migration.

use chatdb::ChatDb;

use super::{Feed, HOUR, Patients, RETENTION, SECOND};
use crate::pipeline::PipelineError;
use crate::pipeline::arrival::Occasion;
use crate::pipeline::origin::{Origin, origin};
use crate::state::source::{Anchor, Source};
use crate::state::{meta, seen, waiting};

/// Rows sent this long before the last delivery are looked at.
const WINDOW: i64 = 48 * HOUR;

impl Feed<'_> {
    /// Whether the open file is the one that the cursor counts.
    pub(super) fn origin(&self, db: &ChatDb, sequence: i64) -> Result<Origin, PipelineError> {
        let mut found = Vec::with_capacity(self.anchors.len());
        for anchor in &self.anchors {
            found.push((anchor.clone(), db.guid_at(anchor.rowid)?));
        }
        Ok(origin(self.source.sequence, sequence, &found))
    }

    /// Looks at the new file's recent rows one by one: guids that were accounted for are passed over,
    /// copies under new guids are recognised, the rest is new.
    pub(super) fn adopt_rebuilt(
        &mut self,
        db: &ChatDb,
        sequence: i64,
    ) -> Result<(), PipelineError> {
        let now = self.now();
        let last_delivery = self
            .context
            .state
            .read(|state| seen::newest_forwarded(state, now))?;
        let from = last_delivery.unwrap_or(self.source.floor) - WINDOW;
        // What was seen longer ago is forgotten, and would be taken for new.
        let rowids = db.rowids_since(from.max(self.source.floor).max(now - RETENTION))?;
        tracing::warn!(
            rows = rowids.len(),
            "chat.db was replaced; matching its recent rows"
        );
        let began_at = self.context.state.write(|tx| {
            waiting::clear(tx)?;
            // Killed in between, the relay begins again with the rows, and not with the time: what the
            // first attempt told came from this file.
            let began_at = meta::get(tx, meta::REBUILD_BEGAN_AT)?
                .and_then(|text| text.parse().ok())
                .filter(|began_at: &i64| *began_at <= now + SECOND)
                .map_or_else(|| seen::after_everything(tx, now), Ok)?;
            meta::set(tx, meta::REBUILD_BEGAN_AT, &began_at.to_string())?;
            Ok(began_at)
        })?;
        self.waiting = Patients::default();
        self.find_filtered_again(db)?;
        let last = match db.guid_at(sequence)? {
            Some(guid) => Some(Anchor {
                rowid: sequence,
                guid,
            }),
            None => match rowids.last() {
                Some(&rowid) => db.guid_at(rowid)?.map(|guid| Anchor { rowid, guid }),
                None => None,
            },
        };
        let source = Source {
            cursor: sequence,
            sequence,
            ..self.source.clone()
        };
        self.settle_rowids(
            db,
            &rowids,
            Occasion::Rebuilt { began_at },
            source,
            last.into_iter().collect(),
        )
    }
}
