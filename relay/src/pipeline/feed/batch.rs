//! Decides about a batch of rows and moves the cursor, in one transaction. A row over which this relay panics, while
//! it reads the row or later, is quarantined in that transaction, and the other rows are decided about without it.

use std::borrow::Cow;

use chatdb::ChatDb;
use crash_point::crash_point;

use super::Feed;
use super::names::save_lines;
use crate::pipeline::PipelineError;
use crate::pipeline::candidate::{BatchResult, Candidate, DecisionContext, quarantine_panicked};
use crate::pipeline::decide::decide;
use crate::pipeline::freshness::ReadCause;
use crate::pipeline::row_guard::{clear_current_row, set_current_row, without_panicking};
use crate::state::read_position::{self, ReadPosition};
use crate::state::{group_name, meta};

impl Feed<'_> {
    /// Decides about rows, and writes `position` if it is given. The fields of `self` change after the commit.
    pub(super) fn commit(
        &mut self,
        db: &ChatDb,
        candidates: Vec<Candidate>,
        cause: ReadCause,
        position: Option<&ReadPosition>,
    ) -> Result<BatchResult, PipelineError> {
        let rows = candidates.len();
        let cursor = position.map(|position| position.cursor);
        let _span = tracing::info_span!("rows", rows, cursor).entered();
        let (mut unreadable, readable): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|candidate| candidate.row.is_unreadable);
        without_panicking(
            readable,
            &mut unreadable,
            |candidate| candidate.row.rowid,
            |candidates, panicked| self.try_commit(db, candidates, panicked, cause, position),
        )
    }

    fn try_commit(
        &mut self,
        db: &ChatDb,
        candidates: &mut [Candidate],
        panicked: &[Candidate],
        cause: ReadCause,
        position: Option<&ReadPosition>,
    ) -> Result<BatchResult, PipelineError> {
        let new_options = self.find_lines(db, candidates)?;
        let options = new_options.as_ref().unwrap_or(&self.options);
        let named = self.name_groups(db, candidates)?;
        let mut groups = Cow::Borrowed(&self.groups);
        if !named.is_empty() {
            groups.to_mut().add(named.clone());
        }
        for candidate in &mut *candidates {
            set_current_row(candidate.row.rowid, "examine");
            groups.apply(&mut candidate.row);
            candidate.copy_of =
                self.own_addresses
                    .examine(db, &mut candidate.row, &options.lines)?;
        }
        let context = DecisionContext {
            options,
            groups: &groups,
            ..self.decision_context(cause)
        };
        let mut arrivals = self.arrivals.clone();
        if !candidates.is_empty() {
            crash_point("rows_read");
        }
        let mut result = self.context.state.write(|tx| {
            for group in &named {
                group_name::save(tx, group)?;
            }
            let result = decide(tx, &mut arrivals, candidates, &context)?;
            clear_current_row();
            for candidate in panicked {
                quarantine_panicked(tx, candidate, context.now)?;
            }
            if let Some(options) = &new_options {
                save_lines(tx, &options.lines)?;
            }
            if let Some(position) = position {
                read_position::save(tx, position)?;
                if position.anchors != self.position.anchors {
                    read_position::set_anchors(tx, &position.anchors)?;
                }
                if matches!(cause, ReadCause::Rebuilt { .. }) {
                    meta::remove(tx, meta::REBUILD_BEGAN_AT)?;
                }
            }
            Ok(result)
        })?;
        if !candidates.is_empty() {
            // A backlog takes longer than a scan is allowed to, so each of its batches counts as a scan.
            self.context.pipeline_handle.note_scan(context.now);
        }
        self.arrivals = arrivals;
        self.groups.add(named);
        self.groups.add(result.named_groups.iter().cloned());
        if let Some(options) = new_options {
            self.options = options;
        }
        self.filtered
            .add_chats(std::mem::take(&mut result.filtered_chats));
        if let Some(position) = position {
            self.position = position.clone();
        }
        if result.held > 0 {
            tracing::warn!(
                held = result.held,
                "messages that may be old ones are held; see `archety-relay quarantine list`"
            );
        }
        if result.enqueued > 0 || result.has_moved_bubbles {
            crash_point("rows_committed");
            self.wake_others(&result);
        }
        Ok(result)
    }
}
