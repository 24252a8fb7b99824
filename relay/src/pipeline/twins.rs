//! By what copies of a message are known.
//!
//! iCloud inserts old messages again under new ROWIDs and new guids, with the original date. A copy has the
//! conversation, sender, instant and content of its original; how much that proves depends on both.

use chatdb::{Digest, Relation, Row, lane, twin_hash};
use shared_protocol::{Event, Message};

use super::arrival::Instant;

/// What the instant of a message proves. A reaction to a message is as good as words.
pub(super) fn instant_of(row: &Row, message: &Message) -> Instant {
    if matches!(row.relation, Relation::Reaction(_)) && is_to_the_microsecond(message) {
        return Instant::Names;
    }
    instant_of_message(message)
}

/// The same, as far as the message itself tells.
pub(super) fn instant_of_message(message: &Message) -> Instant {
    let is_distinct = match message.event {
        Event::Message => !message.text.trim().is_empty(),
        Event::Tapback => {
            let tapback = message.tapback.as_ref();
            tapback.is_some_and(|tapback| tapback.target_guid.is_some())
        }
        _ => false,
    };
    if is_distinct && is_to_the_microsecond(message) {
        Instant::Names
    } else {
        Instant::Shared
    }
}

fn is_to_the_microsecond(message: &Message) -> bool {
    message.timestamp.as_micros() % 1_000_000 != 0
}

/// The hash that copies of a message share. Two reactions of one instant are no copies of each other. A
/// reaction that came as a text is known by its text: of a copy it may be unknown to what it is one.
pub(super) fn twin_of(row: &Row, message: &Message) -> Digest {
    let tapback = message.tapback.as_ref().map_or(String::new(), |tapback| {
        format!(
            "{:?} {:?} {}",
            tapback.action,
            tapback.kind,
            tapback.target_guid.as_deref().unwrap_or_default()
        )
    });
    let (event, files) = (message.event.as_str(), message.attachments.len());
    let content = match row.relation {
        Relation::Reaction(_) => format!("{} 0 \n{}", Event::Message.as_str(), row.visible_text()),
        _ => format!("{event} {files} {tapback}\n{}", message.text),
    };
    let sent_at = sent_at_of(message);
    twin_hash(lane(&message.chat_guid), &message.sender, sent_at, &content)
}

/// When a message was sent, microseconds since 1970.
pub(super) fn sent_at_of(message: &Message) -> i64 {
    message.timestamp.as_micros()
}

/// The twin hash of a row that is not composed.
pub(super) fn recorded_twin(row: &Row, now: i64) -> Digest {
    let chat = row
        .chat
        .as_ref()
        .map_or_else(String::new, |chat| chat.wire_guid());
    twin_hash(
        lane(&chat),
        row.handle.as_deref().unwrap_or_default(),
        row.sent_at.unwrap_or(now),
        &row.visible_text(),
    )
}
