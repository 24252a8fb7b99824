//! Composes the changes of a row that was read before.
//!
//! Messages edits, unsends and completes rows in place, under the same ROWID. The relay finds such rows
//! by their digest. This module compares a row with what was posted of it, and composes messages for the
//! difference. Each of these messages has a revision of its own, so that the backend stores it once,
//! however often the row is read.

use shared_protocol::{Attachment, Event, Message};

use super::address::SenderAndLine;
use super::{Options, attachments, balloon, build, kind};
use crate::Digest;
use crate::read::Row;
use crate::relation::Relation;

/// The highest revision that the backend accepts.
const MAX_REVISION: u32 = i32::MAX as u32;

/// The parts of a row that were posted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostedParts {
    /// The row had no text, and its balloon showed nothing.
    pub text_was_empty: bool,
    /// The row was posted as the bare address of a link whose title Messages had not found yet.
    pub awaits_title: bool,
    /// Length of the edit history.
    pub history_length: u32,
    /// Number of parts that were unsent.
    pub unsent_parts: u32,
    /// Revision of the last unsend.
    pub unsend_revision: u32,
    /// Revision of the last attachment update.
    pub attachment_revision: u32,
    /// Equal as long as the attachments are unchanged.
    pub attachments_digest: Digest,
}

impl PostedParts {
    /// The parts of `row` that are posted with `message`.
    pub fn of(row: &Row, message: &Message) -> Self {
        Self {
            text_was_empty: kind::is_bare(row),
            awaits_title: message.event == Event::Message && balloon::awaits_title(row),
            history_length: row.summary.history_length,
            unsent_parts: unsent_parts(row),
            unsend_revision: u32::from(message.event == Event::Unsend),
            attachment_revision: 0,
            attachments_digest: attachments::digest(row),
        }
    }
}

/// The messages to post for a change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// To be posted in this order; empty if nothing changed that the backend needs to know.
    pub messages: Vec<Message>,
    /// The parts of the row that are posted after these messages.
    pub posted: PostedParts,
}

/// Compares `row` with what was posted of it. `None` if the row is in no chat, as after a deletion.
/// `now` is in microseconds since 1970.
pub fn compose_change(
    row: &Row,
    options: &Options,
    posted: &PostedParts,
    now: i64,
) -> Option<Change> {
    let chat = row.chat.as_deref()?;
    let current = build(row, chat, SenderAndLine::of(row, chat, &options.lines), now);
    let text_is_empty = kind::is_bare(row);
    let mut after = PostedParts {
        text_was_empty: posted.text_was_empty && text_is_empty,
        awaits_title: posted.awaits_title && balloon::awaits_title(row),
        history_length: row.summary.history_length.max(posted.history_length),
        unsent_parts: unsent_parts(row).max(posted.unsent_parts),
        ..posted.clone()
    };
    let mut messages = Vec::new();
    let event = |event, revision, attachments: &[Attachment]| Message {
        event,
        revision,
        tapback: None,
        attachments: attachments.to_vec(),
        ..current.clone()
    };
    // The row is the notice of an edit. The edit itself is posted from the edited row.
    if matches!(row.relation, Relation::EditNotice(_)) {
        return Some(Change {
            messages,
            posted: after,
        });
    }
    // The text of a reaction or of a group change was written by the system and not by a person.
    let has_words = !matches!(current.event, Event::Tapback | Event::GroupChange)
        && !matches!(row.relation, Relation::LinkPreview(_));
    let is_reaction =
        matches!(row.relation, Relation::Reaction(_)) && current.event == Event::Tapback;
    let has_late_words = (posted.text_was_empty && !text_is_empty)
        || (posted.awaits_title && !after.awaits_title && balloon::has_title(row));
    if after.history_length > posted.history_length && !kind::is_fully_unsent(row) {
        messages.push(event(
            Event::Edit,
            after.history_length.min(MAX_REVISION),
            &[],
        ));
    } else if has_words && has_late_words {
        messages.push(event(Event::Edit, 0, &[]));
    } else if posted.text_was_empty && !text_is_empty && is_reaction {
        messages.push(Message {
            attachments: Vec::new(),
            ..current.clone()
        });
    }
    if after.unsent_parts > posted.unsent_parts {
        after.unsend_revision = next(posted.unsend_revision);
        messages.push(event(Event::Unsend, after.unsend_revision, &[]));
    }
    after.attachments_digest = attachments::digest(row);
    if after.attachments_digest != posted.attachments_digest && !current.attachments.is_empty() {
        after.attachment_revision = next(posted.attachment_revision);
        let update = event(
            Event::AttachmentUpdate,
            after.attachment_revision,
            &current.attachments,
        );
        messages.push(Message {
            text: String::new(),
            truncated: false,
            mentions: Vec::new(),
            ..update
        });
    }
    Some(Change {
        messages,
        posted: after,
    })
}

fn next(revision: u32) -> u32 {
    revision.saturating_add(1).min(MAX_REVISION)
}

fn unsent_parts(row: &Row) -> u32 {
    u32::try_from(row.summary.unsent_parts.len()).unwrap_or(u32::MAX)
}
