//! The messages of a turn as they are now: edited texts as they were edited, and nothing that was unsent.

use serde::Deserialize;
use shared_protocol::{Address, Attachment, Edit};
use uuid::Uuid;

use super::opens_turn::{DueMessage, lacks_transcript};
use crate::clock::Timestamp;
use crate::store::TurnRow;

/// A message of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnMessage {
    /// The newest row of the message: its own, or that of its late text.
    pub id: Uuid,
    /// The identity of that row.
    pub identity: Option<String>,
    pub message_guid: Option<String>,
    /// The handle of the sender.
    pub sender: String,
    /// Empty if the message has only attachments.
    pub text: String,
    pub attachments: Vec<Attachment>,
    pub reply_to_guid: Option<String>,
    /// The addresses that the text mentions.
    pub mentions: Vec<String>,
    pub service: Option<String>,
    /// The chat's guid with its service.
    pub chat_guid: Option<String>,
    pub sent_at: Option<Timestamp>,
    pub received_at: Timestamp,
    /// Whether the turn has to answer the message. The other messages came before it, or opened no turn.
    pub is_unanswered: bool,
    /// The length of the edit history of `text`.
    text_revision: i32,
    is_unsent: bool,
}

/// The parts of a stored message that have no column.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parts {
    attachments: Vec<Attachment>,
    edit: Option<Edit>,
    reply_to_guid: Option<String>,
    mentions: Vec<String>,
}

impl Parts {
    fn of(row: &TurnRow) -> Self {
        let meta_data = row.meta_data.as_ref().map(|json| json.0.clone());
        // An older version may have stored other parts; a message without them is answered all the same.
        meta_data
            .and_then(|value| serde_json::from_value(value).ok())
            .unwrap_or_default()
    }
}

impl TurnMessage {
    fn of(row: &TurnRow) -> Self {
        let parts = Parts::of(row);
        Self {
            id: row.id,
            identity: row.identity.clone(),
            message_guid: row.message_guid.clone(),
            sender: row.sender.clone().unwrap_or_default(),
            text: row.text.clone(),
            attachments: parts.attachments,
            reply_to_guid: parts.reply_to_guid,
            mentions: parts.mentions,
            service: row.service.clone(),
            chat_guid: row.chat_guid.clone(),
            sent_at: row.sent_at,
            received_at: row.received_at,
            is_unanswered: row.is_unanswered,
            text_revision: 0,
            is_unsent: false,
        }
    }

    /// The sender's handle in normal form.
    pub fn sender_address(&self) -> Option<Address> {
        Address::parse(&self.sender)
    }

    /// When the message was sent. A message without a guid comes from a caller whose clock and delays are not known,
    /// so the time at which the backend received it counts.
    pub fn said_at(&self) -> Timestamp {
        let sent_at = self.sent_at.filter(|_| self.message_guid.is_some());
        sent_at.map_or(self.received_at, |sent_at| sent_at.min(self.received_at))
    }

    pub(super) fn due_message(&self) -> DueMessage<'_> {
        DueMessage {
            received_at: self.received_at,
            text: &self.text,
            lacks_transcript: lacks_transcript(&self.attachments),
        }
    }

    fn apply_edit(&mut self, row: &TurnRow) {
        if row.revision < self.text_revision {
            return;
        }
        (self.text, self.text_revision) = (row.text.clone(), row.revision);
        if row.is_unanswered {
            // A late text is a message of its own: it opens the turn, and its identity names the reply.
            self.is_unanswered = true;
            (self.id, self.identity) = (row.id, row.identity.clone());
            self.received_at = row.received_at;
        }
    }

    fn apply_unsend(&mut self, row: &TurnRow) {
        let edit = Parts::of(row).edit.unwrap_or_default();
        let is_kept = |attachment: &Attachment| {
            let part = attachment.part.unwrap_or(-1);
            !edit.unsent_parts.contains(&part)
        };
        self.attachments.retain(is_kept);
        self.text.clone_from(&row.text);
        self.is_unsent =
            edit.fully_unsent || (self.text.trim().is_empty() && self.attachments.is_empty());
    }

    fn apply_attachments(&mut self, row: &TurnRow) {
        for new in Parts::of(row).attachments {
            let known = self.attachments.iter_mut().find(|it| it.guid == new.guid);
            match known {
                Some(known) => *known = new,
                None => self.attachments.push(new),
            }
        }
    }
}

/// The messages that these rows tell of, as they are now. The rows are in the order in which they were stored.
pub(super) fn as_they_are(rows: &[TurnRow]) -> Vec<TurnMessage> {
    let mut messages: Vec<TurnMessage> = Vec::new();
    for row in rows {
        let changed = (messages.iter_mut())
            .find(|it| it.message_guid.is_some() && it.message_guid == row.message_guid);
        match (row.event.as_str(), changed) {
            ("edit", Some(message)) => message.apply_edit(row),
            ("unsend", Some(message)) => message.apply_unsend(row),
            ("attachment_update", Some(message)) => message.apply_attachments(row),
            // The message of a late text may be older than the turn.
            ("message" | "other", _) => messages.push(TurnMessage::of(row)),
            ("edit", None) if row.is_unanswered => messages.push(TurnMessage::of(row)),
            _ => {}
        }
    }
    messages.retain(|message| !message.is_unsent);
    messages
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sqlx::types::Json;

    use super::*;

    fn row(n: u128, event: &str, guid: &str, text: &str) -> TurnRow {
        TurnRow {
            id: Uuid::from_u128(n),
            identity: Some(format!("msg_{n}")),
            event: event.to_owned(),
            revision: 0,
            message_guid: Some(guid.to_owned()),
            sender: Some("+15550100001".to_owned()),
            text: text.to_owned(),
            meta_data: None,
            service: None,
            chat_guid: None,
            sent_at: None,
            received_at: Timestamp::from_secs(i64::try_from(n).expect("small")),
            is_unanswered: event == "message",
        }
    }

    fn with(mut row: TurnRow, revision: i32, meta_data: serde_json::Value) -> TurnRow {
        (row.revision, row.meta_data) = (revision, Some(Json(meta_data)));
        row
    }

    fn texts(rows: &[TurnRow]) -> Vec<String> {
        as_they_are(rows).into_iter().map(|it| it.text).collect()
    }

    #[test]
    fn the_newest_text_counts_whatever_the_order() {
        let first = row(1, "message", "a", "on");
        let second = with(row(2, "edit", "a", "one"), 2, json!({}));
        let third = with(row(3, "edit", "a", "one!"), 3, json!({}));
        let late = with(row(4, "edit", "a", "on"), 0, json!({}));
        let other = row(5, "message", "b", "two");
        let rows = [first, third, second, late, other];
        assert_eq!(texts(&rows), ["one!", "two"]);
    }

    #[test]
    fn what_was_unsent_is_gone_and_the_rest_of_a_message_stays() {
        let all = json!({ "edit": { "fully_unsent": true } });
        let part = json!({ "edit": { "unsent_parts": [0] } });
        let photo = json!({ "attachments": [{ "guid": "p", "part": 0 }] });
        let rows = [
            row(1, "message", "a", "gone"),
            with(row(2, "message", "b", "stays"), 0, photo),
            row(3, "message", "c", "gone too"),
            with(row(4, "unsend", "a", ""), 1, all),
            with(row(5, "unsend", "b", "stays"), 1, part),
            row(6, "unsend", "c", ""),
            row(7, "unsend", "unknown", ""),
        ];
        let messages = as_they_are(&rows);
        assert_eq!(messages.len(), 1);
        assert_eq!(
            (&*messages[0].text, messages[0].attachments.len()),
            ("stays", 0)
        );
    }

    #[test]
    fn a_late_text_makes_its_message_unanswered() {
        let other = row(1, "other", "a", "");
        let mut late = row(2, "edit", "a", "late");
        late.is_unanswered = true;
        let messages = as_they_are(&[other, late.clone()]);
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].id, &*messages[0].text), (late.id, "late"));
        assert!(messages[0].is_unanswered);
        let alone = as_they_are(&[late]);
        assert_eq!(alone.len(), 1, "its message is older than the turn");
    }

    #[test]
    fn a_transcript_that_comes_later_is_part_of_its_message() {
        let voice = json!({ "attachments": [{ "guid": "v", "mime_type": "audio/x-caf" }] });
        let heard = json!({ "attachments": [
            { "guid": "v", "mime_type": "audio/x-caf", "transcript": "hi" }, { "guid": "w" },
        ] });
        let rows = [
            with(row(1, "message", "a", ""), 0, voice),
            with(row(2, "attachment_update", "a", ""), 1, heard),
        ];
        assert!(as_they_are(&rows[..1])[0].due_message().lacks_transcript);
        let messages = as_they_are(&rows);
        assert_eq!(messages[0].attachments.len(), 2);
        assert!(!messages[0].due_message().lacks_transcript);
    }

    #[test]
    fn the_age_of_a_message_is_that_of_its_sender() {
        let mut sent = row(10, "message", "a", "x");
        sent.sent_at = Some(Timestamp::from_secs(3));
        let said_at = |row: &TurnRow| TurnMessage::of(row).said_at().as_secs();
        assert_eq!(said_at(&sent), 3);
        sent.sent_at = Some(Timestamp::from_secs(99));
        assert_eq!(said_at(&sent), 10, "a clock ahead of its time");
        (sent.sent_at, sent.message_guid) = (Some(Timestamp::from_secs(3)), None);
        assert_eq!(said_at(&sent), 10, "a caller without relay fields");
    }
}
