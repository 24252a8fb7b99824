//! Recognises copies of a message, its twins.
//!
//! iCloud inserts old messages again under new ROWIDs and new guids, with the original date. A copy has
//! the conversation, sender, timestamp and content of its original. How much that proves depends on the
//! timestamp and the content.

use chatdb::{Digest, Relation, Row, lane, twin_hash};
use shared_protocol::{Event, Message};

use super::freshness::TimestampProof;

/// What the timestamp of a message proves about copies. For a reaction that came as a text it proves as much as
/// for any other text, even if the target of the reaction is unknown.
pub(super) fn timestamp_proof(row: &Row, message: &Message) -> TimestampProof {
    if matches!(row.relation, Relation::Reaction(_)) && has_microseconds(message) {
        return TimestampProof::Unique;
    }
    timestamp_proof_of_message(message)
}

/// [`timestamp_proof`] for a message without its row, which alone shows that a reaction came as a text.
pub(super) fn timestamp_proof_of_message(message: &Message) -> TimestampProof {
    // Two photos without words look alike, and so do two tapbacks whose targets are unknown.
    let is_distinct = match message.event {
        Event::Message => !message.text.trim().is_empty(),
        Event::Tapback => {
            let tapback = message.tapback.as_ref();
            tapback.is_some_and(|tapback| tapback.target_guid.is_some())
        }
        _ => false,
    };
    if is_distinct && has_microseconds(message) {
        TimestampProof::Unique
    } else {
        TimestampProof::Ambiguous
    }
}

fn has_microseconds(message: &Message) -> bool {
    message.timestamp.as_micros() % 1_000_000 != 0
}

/// The hash that copies of a message share. Two different reactions at the same instant have different hashes. A
/// reaction that came as a text is hashed by its text, since the target of its copy may be unknown.
pub(super) fn twin_hash_of(row: &Row, message: &Message) -> Digest {
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
        // The content of a text without files.
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

/// The twin hash of a row of which no message is composed.
pub(super) fn twin_hash_of_row(row: &Row, now: i64) -> Digest {
    let chat = row.chat.as_ref().map(|chat| chat.wire_guid());
    twin_hash(
        lane(chat.as_deref().unwrap_or_default()),
        row.handle.as_deref().unwrap_or_default(),
        row.sent_at.unwrap_or(now),
        &row.visible_text(),
    )
}
