//! What the state says about a text that could be sent, beside its times and the limits of its line.

use rusqlite::Connection;

use crate::state::ledger::dispatching::{self, SendableBubble};
use crate::state::ledger::history::{Contact, has_sent_to};
use crate::state::ledger::pauses::PausedLines;
use crate::state::outbox;

/// The name of the line in the send history if a text names none.
const UNNAMED_LINE: &str = "";

/// Whether a bubble still waits for incoming messages of its chat that the backend has not got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IncomingWait {
    Waits,
    /// It has waited long enough, or is the first of its reply.
    Over,
}

/// The name of a text's line in the send history.
pub(super) fn line_of(bubble: &SendableBubble) -> &str {
    bubble.line.as_deref().unwrap_or(UNNAMED_LINE)
}

/// Whether a message of the chat is on its way to the backend.
pub(super) fn has_incoming(
    connection: &Connection,
    bubble: &SendableBubble,
) -> rusqlite::Result<bool> {
    Ok(!outbox::pending_of_lane(connection, &bubble.conversation, 0, 1)?.is_empty())
}

/// Whether the line of a text sends nothing until the owner resumes.
pub(super) fn is_line_paused(paused: &PausedLines, bubble: &SendableBubble) -> bool {
    !bubble.is_released && paused.contains_key(line_of(bubble))
}

/// What the line and the chat of a text had to do with each other.
pub(super) fn contact_of(
    connection: &Connection,
    bubble: &SendableBubble,
) -> rusqlite::Result<Contact> {
    if has_sent_to(connection, &bubble.conversation)? {
        return Ok(Contact::Known);
    }
    let has_anchor = dispatching::load(connection, bubble.number)?
        .is_some_and(|loaded| loaded.anchor_guid.is_some());
    Ok(if has_anchor {
        Contact::FirstAnswer
    } else {
        Contact::Cold
    })
}
