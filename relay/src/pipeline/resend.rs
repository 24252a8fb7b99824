//! Composes a message again that was posted before, for a backend that was restored and may have lost it.
//!
//! The message keeps its identity, so a backend that has it answers `duplicate` or `id_conflict`. Its content is what the row
//! has now. A person's message after which an own row stands in the chat is marked `answered`: the answer was given, and
//! its record may be lost with the message. A message of the owner is marked as well, because what the owner typed then
//! cancels no reply of today.

use chatdb::{Composed, Digest, PostedContent, Row, compose_change};
use shared_protocol::Message;

use super::candidate::{DecisionContext, compose_now};
use super::first_chat;
use crate::state::outbox::PastPost;
use crate::state::seen::{RowOutcome, SeenMessage};

/// The message of `post`; `None` if the row does not have it any more. `row` must be in the chat in which its message was
/// first posted.
pub(super) fn compose_again(
    row: &Row,
    post: &PastPost,
    seen: &SeenMessage,
    context: &DecisionContext<'_>,
) -> Option<Message> {
    let whole = match compose_now(&row.unfiltered(), context) {
        Composed::Post(message) => Some(*message),
        Composed::Skip(_) | Composed::Wait(_) => None,
    };
    let has_identity = |message: &Message| {
        message.event.as_str() == post.event && message.revision == post.revision
    };
    let change = || {
        change_again(row, post, seen, context)
            .into_iter()
            .find(has_identity)
    };
    // A message that was unsent since has no content any more. Its unsend is an event of its own.
    let mut message = whole.filter(has_identity).or_else(change)?;
    message.is_backfill = seen.outcome == RowOutcome::Backfilled;
    first_chat::write_into(&mut message, seen.first_chat.as_ref());
    Some(message)
}

/// The messages of the last change of each kind: what is composed if everything before it was posted.
fn change_again(
    row: &Row,
    post: &PastPost,
    seen: &SeenMessage,
    context: &DecisionContext<'_>,
) -> Vec<Message> {
    let before = post.revision.saturating_sub(1);
    let posted = match post.event.as_str() {
        "edit" => PostedContent {
            text_was_empty: post.revision == 0,
            history_length: if post.revision == 0 {
                seen.posted.history_length
            } else {
                before
            },
            ..seen.posted.clone()
        },
        "unsend" => PostedContent {
            unsent_parts: seen.posted.unsent_parts.saturating_sub(1),
            unsend_revision: before,
            ..seen.posted.clone()
        },
        "attachment_update" => PostedContent {
            attachment_revision: before,
            attachments_digest: Digest::default(),
            ..seen.posted.clone()
        },
        _ => return Vec::new(),
    };
    compose_change(row, context.options, &posted, context.now)
        .map(|change| change.messages)
        .unwrap_or_default()
}
