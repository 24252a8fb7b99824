//! Composes the changes of a row that was read before.
//!
//! Messages edits, unsends and completes rows in place, under the same ROWID. The relay finds such rows by their
//! digest. This module compares a row with what was posted of it, and composes messages for the difference. Each of
//! these messages has a revision of its own, so that the backend stores it once, however often the row is read.

use shared_protocol::{Attachment, Event, Message};

use super::address::SenderAndLine;
use super::{Options, attachments, balloon, build, event};
use crate::Digest;
use crate::read::Row;
use crate::relation::Relation;

/// The highest revision of a message that the backend accepts.
const MAX_REVISION: u32 = i32::MAX as u32;

/// What was posted of a row so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostedContent {
    /// Whether the row had no text, and its balloon showed no words.
    pub text_was_empty: bool,
    /// Whether the row was posted as the bare address of a link whose title Messages had not found yet.
    pub awaits_title: bool,
    /// Length of the edit history.
    pub history_length: u32,
    /// Number of parts that were unsent.
    pub unsent_parts: u32,
    /// Revision of the last unsend; 0 if none was posted.
    pub unsend_revision: u32,
    /// Revision of the last attachment update; 0 if none was posted.
    pub attachment_revision: u32,
    /// Digest over the posted attachments.
    pub attachments_digest: Digest,
}

impl PostedContent {
    /// What has been posted of `row` once `message`, which was composed of it, is posted.
    pub fn of(row: &Row, message: &Message) -> Self {
        Self {
            text_was_empty: event::has_no_words(row),
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
    /// What has been posted of the row once `messages` are posted.
    pub posted: PostedContent,
}

/// Compares `row` with what was posted of it. `None` if the row is in no chat, as after a deletion.
/// `now` is in microseconds since 1970.
pub fn compose_change(
    row: &Row,
    options: &Options,
    posted: &PostedContent,
    now: i64,
) -> Option<Change> {
    let chat = row.chat.as_deref()?;
    let current = build(row, chat, SenderAndLine::of(row, chat, &options.lines), now);
    let text_is_empty = event::has_no_words(row);
    let mut posted_after = PostedContent {
        text_was_empty: posted.text_was_empty && text_is_empty,
        awaits_title: posted.awaits_title && balloon::awaits_title(row),
        history_length: row.summary.history_length.max(posted.history_length),
        unsent_parts: unsent_parts(row).max(posted.unsent_parts),
        ..posted.clone()
    };
    let mut messages = Vec::new();
    let change_message = |event, revision, attachments: &[Attachment]| Message {
        event,
        revision,
        tapback: None,
        attachments: attachments.to_vec(),
        ..current.clone()
    };
    // This row only shows an edit to older devices. The edit itself is posted from the edited row.
    if matches!(row.relation, Relation::EditNotice(_)) {
        return Some(Change {
            messages,
            posted: posted_after,
        });
    }
    // The text of a reaction or of a group change was not written by a person. The text to which a preview belongs
    // was posted from its own row.
    let text_is_posted = !matches!(current.event, Event::Tapback | Event::GroupChange)
        && !matches!(row.relation, Relation::LinkPreview(_));
    let is_reaction =
        matches!(row.relation, Relation::Reaction(_)) && current.event == Event::Tapback;
    let has_late_words = (posted.text_was_empty && !text_is_empty)
        || (posted.awaits_title && !posted_after.awaits_title && balloon::has_title(row));
    if posted_after.history_length > posted.history_length && !event::is_fully_unsent(row) {
        messages.push(change_message(
            Event::Edit,
            posted_after.history_length.min(MAX_REVISION),
            &[],
        ));
    } else if text_is_posted && has_late_words {
        messages.push(change_message(Event::Edit, 0, &[]));
    } else if posted.text_was_empty && !text_is_empty && is_reaction {
        messages.push(Message {
            attachments: Vec::new(),
            ..current.clone()
        });
    }
    if posted_after.unsent_parts > posted.unsent_parts {
        posted_after.unsend_revision = next_revision(posted.unsend_revision);
        messages.push(change_message(
            Event::Unsend,
            posted_after.unsend_revision,
            &[],
        ));
    }
    posted_after.attachments_digest = attachments::digest(row);
    if posted_after.attachments_digest != posted.attachments_digest
        && !current.attachments.is_empty()
    {
        posted_after.attachment_revision = next_revision(posted.attachment_revision);
        let update = change_message(
            Event::AttachmentUpdate,
            posted_after.attachment_revision,
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
        posted: posted_after,
    })
}

fn next_revision(revision: u32) -> u32 {
    revision.saturating_add(1).min(MAX_REVISION)
}

/// The number of parts of the message that were unsent.
fn unsent_parts(row: &Row) -> u32 {
    u32::try_from(row.summary.unsent_parts.len()).unwrap_or(u32::MAX)
}
