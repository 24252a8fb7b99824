//! Looks at the rows of the relay's own sends: what Messages writes into them later, rows that are gone, and the rows of
//! bubbles that another installation may have sent.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chatdb::{ChatDb, SentFlags, Wake};
use crash_point::crash_point;

use super::Feed;
use crate::clock::UnixMicros;
use crate::pipeline::PipelineError;
use crate::pipeline::candidate::BatchResult;
use crate::pipeline::freshness::ReadCause;
use crate::pipeline::row_guard::{clear_current_row, set_current_row, without_panicking};
use crate::pipeline::{own_sends, sent_state};
use crate::state::ledger::matching::{self, WatchedBubble};
use crate::state::ledger::{BubbleNumber, BubbleState, handed, lost_rows};
use crate::state::seen;

/// The row of a sent bubble is read at every change for this long, then once a minute: a line sends hundreds of bubbles
/// a day, and few are delivered late.
const SENT_JUST_NOW: Duration = Duration::from_mins(10);

/// What was last read of the rows of open bubbles, by guid.
pub(super) type WatchedBubbles = HashMap<String, (SentFlags, Option<String>)>;

impl Feed<'_> {
    /// Moves each bubble to the state that its row shows now.
    pub(super) fn watch_bubbles(&mut self, db: &ChatDb, wake: Wake) -> Result<(), PipelineError> {
        let now = UnixMicros::from_micros(self.now());
        let state = &self.context.state;
        let watched = state.read(|state| matching::watched(state, now))?;
        if watched.is_empty() {
            self.watched_bubbles.clear();
            return Ok(());
        }
        if self.watched_bubbles.len() > 2 * watched.len() + 100 {
            let guids: HashSet<_> = watched.iter().map(|bubble| &bubble.message_guid).collect();
            self.watched_bubbles.retain(|guid, _| guids.contains(guid));
        }
        let is_due = |bubble: &&WatchedBubble| {
            bubble.state != BubbleState::Sent
                || wake == Wake::Sweep
                || now.since(bubble.reached_at) < SENT_JUST_NOW
        };
        let numbers: HashMap<&str, BubbleNumber> = watched
            .iter()
            .filter(is_due)
            .map(|bubble| (bubble.message_guid.as_str(), bubble.number))
            .collect();
        let guids: Vec<&str> = numbers.keys().copied().collect();
        let mut rows = db.sent_rows(&guids)?;
        if wake == Wake::Sweep && rows.len() < guids.len() {
            let existing: HashSet<&str> = rows.iter().map(|row| &*row.guid).collect();
            let is_lost = |bubble: &&WatchedBubble| !existing.contains(&*bubble.message_guid);
            let lost: Vec<_> = watched.iter().filter(is_lost).collect();
            self.find_lost_rows(db, &lost, now)?;
        }
        rows.retain(|row| {
            let known = self.watched_bubbles.get(&row.guid);
            row.is_from_me && known.is_none_or(|known| *known != (row.sent, row.service.clone()))
        });
        if rows.is_empty() {
            return Ok(());
        }
        crash_point("bubble_rows_read");
        let has_moved = state.write(|tx| {
            rows.iter().try_fold(false, |has_moved, row| {
                let number = numbers[row.guid.as_str()];
                let service = row.service.as_deref();
                Ok(sent_state::move_bubble(tx, number, &row.sent, service, now)? | has_moved)
            })
        })?;
        if has_moved {
            crash_point("bubble_rows_committed");
        }
        self.watched_bubbles.extend(
            rows.into_iter()
                .map(|row| (row.guid, (row.sent, row.service))),
        );
        self.wake_others(&BatchResult {
            has_moved_bubbles: has_moved,
            ..BatchResult::default()
        });
        Ok(())
    }

    /// Looks for the rows of bubbles whose guids chat.db does not have any more. A chat.db that was built anew may have
    /// them under other guids, at the same instants. A bubble whose row stays away ends as `unknown`.
    fn find_lost_rows(
        &mut self,
        db: &ChatDb,
        lost: &[&WatchedBubble],
        now: UnixMicros,
    ) -> Result<(), PipelineError> {
        let state = &self.context.state;
        let mut found = Vec::new();
        for bubble in lost {
            let record = state.read(|state| seen::find(state, &bubble.message_guid))?;
            let Some(record) = record else {
                continue;
            };
            for mut row in db.own_rows_at(record.sent_at)? {
                self.groups.apply(&mut row);
                found.push((bubble.number, row));
            }
        }
        let context = self.decision_context(ReadCause::Appeared);
        crash_point("lost_rows_read");
        let has_moved_bubbles = state.write(|tx| {
            let mut has_moved = false;
            for (number, row) in found.iter().filter(|(_, row)| !row.is_unreadable) {
                has_moved |= own_sends::prove_again(tx, *number, row, &context)?;
            }
            for bubble in lost {
                has_moved |= lost_rows::give_up(tx, bubble, now)?;
            }
            Ok(has_moved)
        })?;
        crash_point("lost_rows_found");
        self.wake_others(&BatchResult {
            has_moved_bubbles,
            ..BatchResult::default()
        });
        Ok(())
    }

    /// Looks for the rows of bubbles that another installation may have sent. A bubble without a row is `unknown`
    /// from then on. Rows above the cursor are shown to the ledger when they are read.
    pub(super) fn settle_handed(&mut self, db: &ChatDb) -> Result<(), PipelineError> {
        let state = &self.context.state;
        let handed = state.read(handed::open)?;
        let Some(since) = handed.iter().map(|bubble| bubble.earliest).min() else {
            return Ok(());
        };
        let mut rows = Vec::new();
        for rowid in db.own_rowids_since(since.as_micros())? {
            if rowid <= self.position.cursor {
                rows.extend(db.row(rowid)?.filter(|row| !row.is_unreadable));
            }
        }
        for row in &mut rows {
            self.groups.apply(row);
        }
        let context = self.decision_context(ReadCause::Appeared);
        let now = UnixMicros::from_micros(context.now);
        crash_point("handed_rows_read");
        let result = without_panicking(
            rows,
            &mut Vec::new(),
            |row| row.rowid,
            |rows, _| {
                state.write(|tx| {
                    let mut result = BatchResult::default();
                    for row in &*rows {
                        set_current_row(row.rowid, "settle_handed");
                        own_sends::prove_by_row(tx, row, &context, &mut result)?;
                    }
                    clear_current_row();
                    let is_of_this_look =
                        |number| handed.iter().any(|bubble| bubble.number == number);
                    for bubble in handed::open(tx)? {
                        if is_of_this_look(bubble.number) {
                            result.has_moved_bubbles |= handed::not_found(tx, bubble.number, now)?;
                        }
                    }
                    Ok(result)
                })
            },
        )?;
        crash_point("handed_settled");
        self.wake_others(&result);
        Ok(())
    }
}
