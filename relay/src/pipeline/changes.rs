//! Posts the changes of a row that was decided about before: edits, unsends, late texts, attachments.
//!
//! Each change is posted once, under a revision of its own, in the transaction that writes it down, and
//! to the chat in which the message was first posted.

use chatdb::{Awaited, Composed, PostedContent, Row, SkipReason, compose_change};
use rusqlite::Connection;

use super::candidate::{BatchResult, DecisionContext, compose_now};
use super::{filtered, first_chat, own_sends};
use crate::state::filtered as filtered_rows;
use crate::state::quarantine;
use crate::state::seen::{self, RowOutcome, SeenMessage};

/// Writes down what changed in a row since it was last read, and adds the posts that the outbox got to `result`. The row
/// must be in the chat in which its message was first posted ([`first_chat::restore`]).
pub(super) fn apply_change(
    state: &Connection,
    row: &Row,
    context: &DecisionContext<'_>,
    result: &mut BatchResult,
) -> rusqlite::Result<()> {
    let (post_builder, now) = (context.post_builder, context.now);
    let Some(before) = seen::find(state, &row.guid)? else {
        return Ok(());
    };
    let mut after = SeenMessage {
        digest: row.digest,
        ..before.clone()
    };
    if !before.is_own_send {
        // Messages marks own messages late. A row that was decided about before its mark still proves its bubble.
        own_sends::prove_by_row(state, row, context, result)?;
    }
    match before.outcome {
        RowOutcome::Forwarded | RowOutcome::Backfilled => {
            let Some(change) = compose_change(row, context.options, &before.posted, now) else {
                return Ok(());
            };
            for mut message in change.messages {
                message.is_backfill = before.outcome == RowOutcome::Backfilled;
                first_chat::write_into(&mut message, before.first_chat.as_ref());
                after.first_chat = Some(first_chat::of_message(&message));
                result.enqueued += post_builder.enqueue(state, &mut message, now)?;
            }
            after.posted = change.posted;
        }
        RowOutcome::Quarantined => {
            if let Composed::Post(mut message) = compose_now(row, context) {
                first_chat::write_into(&mut message, before.first_chat.as_ref());
                after.posted = PostedContent::of(row, &message);
                quarantine::set_body(state, &row.guid, &post_builder.body_of(&mut message))?;
            }
        }
        RowOutcome::Spam => {
            if let Some(id) = filtered_rows::id_of(state, &row.guid)? {
                filtered::refresh(state, id, row, None, context)?;
                return Ok(());
            }
        }
        // Messages has sent a scheduled message, or given a row the content that it lacked. A row that was
        // taken for a link preview before it showed any link may show a link of its own now; `text_was_empty`
        // is true for such a row.
        RowOutcome::Scheduled | RowOutcome::System | RowOutcome::LinkPreview
            if before.outcome != RowOutcome::LinkPreview || before.posted.text_was_empty =>
        {
            let was_preview = before.outcome == RowOutcome::LinkPreview;
            let awaits_link = row.awaits == Some(Awaited::Link);
            match compose_now(row, context) {
                Composed::Post(mut message) => {
                    after.posted = PostedContent::of(row, &message);
                    after.outcome = RowOutcome::Forwarded;
                    after.first_chat = Some(first_chat::of_message(&message));
                    result.enqueued += post_builder.enqueue(state, &mut message, now)?;
                    own_sends::take_over(state, row, &message, context, result)?;
                }
                Composed::Skip(SkipReason::Spam) if !(was_preview && awaits_link) => {
                    filtered::hold_back_late(state, row, &before, context)?;
                    return Ok(());
                }
                Composed::Skip(_) | Composed::Wait(_) if was_preview => {
                    after.posted.text_was_empty = awaits_link;
                }
                Composed::Skip(_) | Composed::Wait(_) => {}
            }
        }
        RowOutcome::Twin
        | RowOutcome::Dropped
        | RowOutcome::Recorded
        | RowOutcome::Orphaned
        | RowOutcome::NoteToSelf
        | RowOutcome::Scheduled
        | RowOutcome::System
        | RowOutcome::LinkPreview => {}
    }
    seen::save(state, &after)
}
