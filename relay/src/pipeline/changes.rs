//! What a row that changed after it was settled calls for: edits, unsends, late texts, attachments.
//!
//! Each change is told once, under a revision of its own, in the transaction that writes it down, and
//! in the conversation in which the message was first told.

use std::time::Duration;

use chatdb::{Awaited, Reading, Row, SkipReason, compose, compose_change, lane};
use rusqlite::Connection;

use super::candidate::Rules;
use super::{binding, filtered};
use crate::state::filtered as filtered_rows;
use crate::state::quarantine;
use crate::state::seen::{self, Outcome, Seen};

/// Patience that is over: an old row is taken as it is.
const NO_MORE_WAITING: Duration = Duration::from_hours(24);

/// Writes down what a changed row calls for; tells how many posts are new. The row has been put into
/// the chat that its message was told in ([`binding::put_back`]).
pub(super) fn settle_change(
    state: &Connection,
    row: &Row,
    rules: &Rules<'_>,
) -> rusqlite::Result<u32> {
    let Rules {
        postmark,
        options,
        now,
        ..
    } = *rules;
    let Some(before) = seen::find(state, &row.guid)? else {
        return Ok(0);
    };
    let mut after = Seen {
        digest: row.digest,
        ..before.clone()
    };
    let mut enqueued = 0;
    match before.outcome {
        Outcome::Forwarded | Outcome::Backfilled => {
            let Some(change) = compose_change(row, options, &before.known, now) else {
                return Ok(0);
            };
            for mut message in change.messages {
                message.is_backfill = before.outcome == Outcome::Backfilled;
                binding::rename(&mut message, before.bound_chat.as_ref());
                after.bound_chat = Some(binding::chat_of(&message));
                let lane = lane(&message.chat_guid).to_owned();
                enqueued += postmark.enqueue(state, &lane, &mut message, now)?;
            }
            after.known = change.known;
        }
        Outcome::Quarantined => {
            if let Reading::Post(mut message) = compose(row, options, NO_MORE_WAITING, now) {
                binding::rename(&mut message, before.bound_chat.as_ref());
                after.known = chatdb::Known::of(row, &message);
                quarantine::set_body(state, &row.guid, &postmark.body_of(&mut message))?;
            }
        }
        Outcome::Spam => {
            if let Some(id) = filtered_rows::id_of(state, &row.guid)? {
                filtered::refresh(state, id, row, None, rules)?;
                return Ok(0);
            }
        }
        // Sent at last by Messages, or given the content that it lacked.
        Outcome::Scheduled | Outcome::System => match compose(row, options, NO_MORE_WAITING, now) {
            Reading::Post(mut message) => {
                after.known = chatdb::Known::of(row, &message);
                after.outcome = Outcome::Forwarded;
                after.bound_chat = Some(binding::chat_of(&message));
                let lane = lane(&message.chat_guid).to_owned();
                enqueued += postmark.enqueue(state, &lane, &mut message, now)?;
            }
            Reading::Skip(SkipReason::Spam) => {
                filtered::hold_back_late(state, row, &before, rules)?;
                return Ok(0);
            }
            Reading::Skip(_) | Reading::Wait(_) => {}
        },
        // It was taken for a preview while it showed no link; now it may show one of its own.
        Outcome::LinkPreview if before.known.text_was_empty => {
            match compose(row, options, NO_MORE_WAITING, now) {
                Reading::Post(mut message) => {
                    after.known = chatdb::Known::of(row, &message);
                    after.outcome = Outcome::Forwarded;
                    after.bound_chat = Some(binding::chat_of(&message));
                    let lane = lane(&message.chat_guid).to_owned();
                    enqueued += postmark.enqueue(state, &lane, &mut message, now)?;
                }
                Reading::Skip(SkipReason::Spam) if row.awaits != Some(Awaited::Link) => {
                    filtered::hold_back_late(state, row, &before, rules)?;
                    return Ok(0);
                }
                Reading::Skip(_) | Reading::Wait(_) => {
                    after.known.text_was_empty = row.awaits == Some(Awaited::Link);
                }
            }
        }
        Outcome::Twin
        | Outcome::Dropped
        | Outcome::Recorded
        | Outcome::Orphaned
        | Outcome::NoteToSelf
        | Outcome::LinkPreview => {}
    }
    seen::save(state, &after)?;
    Ok(enqueued)
}
