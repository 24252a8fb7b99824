//! Corrects messages of older callers, which know none of the fields that archety-relay has added: scripts, and
//! the relays of archety-edge.
//!
//! These callers do not try again after a 422, so the backend corrects a message whose meaning is clear
//! instead of refusing it.

use super::validate::{MAX_TEXT_CHARS, is_handle};
use super::{Event, Message};

impl Message {
    /// Corrects three mistakes of older callers. A line in the field `persona_phone` moves to `line`. If the message
    /// has no field of archety-relay, a text that is too long is cut, and a message without content becomes
    /// [`Event::Other`].
    pub(super) fn correct_mistakes_of_older_callers(&mut self) {
        let line = self.persona_phone.take().filter(|line| is_handle(line));
        if self.line.is_none() {
            self.line = line;
        }
        if self.has_relay_fields() {
            return;
        }
        if let Some((end, _)) = self.text.char_indices().nth(MAX_TEXT_CHARS) {
            self.text.truncate(end);
            self.truncated = true;
        }
        if self.text.is_empty() && self.attachments.is_empty() {
            self.event = Event::Other;
        }
    }

    /// Whether the message has a field that only archety-relay sends.
    fn has_relay_fields(&self) -> bool {
        self.message_guid.is_some()
            || self.relay_id.is_some()
            || self.reply_via.is_some()
            || self.event != Event::Message
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::InvalidMessage;

    /// The body of a request of archety-edge, with the fields in `with` replaced or added.
    fn body(with: &Value) -> Vec<u8> {
        let mut body = json!({
            "chat_guid": "iMessage;-;+15550100001", "mode": "direct", "sender": "+15550100001",
            "text": "hi", "timestamp": 1_790_000_000, "participants": ["+15550100001"],
            "persona_id": "luna", "persona_phone": "+15550100100",
            "metadata": {"was_redacted": false, "redacted_fields": [], "filter_reason": "phase1_transport"},
            "context": {"active_miniapp": "trip", "state": "active"},
            "attachments": [{"guid": "at_0", "mime_type": "image/png", "size_bytes": null, "is_photo": true,
                             "skipped": true, "skip_reason": "upload_failed"}],
        });
        for (field, value) in with.as_object().expect("an object") {
            body[field] = value.clone();
        }
        serde_json::to_vec(&body).expect("JSON")
    }

    fn read(with: &Value) -> Message {
        Message::from_json(&body(with)).expect("an acceptable message")
    }

    #[test]
    fn persona_phone_is_the_line() {
        assert_eq!(read(&json!({})).line.as_deref(), Some("+15550100100"));
        let both = read(&json!({"line": "+15550100200"}));
        assert_eq!(both.line.as_deref(), Some("+15550100200"));
        for unusable in ["", "a\nb", &"1".repeat(400)] {
            assert_eq!(read(&json!({"persona_phone": unusable})).line, None);
        }
        let null = read(&json!({"persona_phone": null, "line": null}));
        assert_eq!((null.line, null.persona_phone), (None, None));
    }

    #[test]
    fn a_text_that_is_too_long_is_clipped_and_marked() {
        let fits = "é".repeat(MAX_TEXT_CHARS);
        let read_text = |text: &str| {
            let message = read(&json!({ "text": text }));
            (message.text, message.truncated)
        };
        assert_eq!(read_text(&fits), (fits.clone(), false));
        assert_eq!(read_text(&format!("{fits}😀😀")), (fits, true));
    }

    #[test]
    fn a_message_without_content_becomes_an_event() {
        let empty = read(&json!({"text": "", "attachments": []}));
        assert_eq!((empty.event, empty.revision), (Event::Other, 0));
        let photo = read(&json!({"text": ""}));
        assert_eq!(photo.event, Event::Message);
        let six_fields = json!({"chat_guid": "g", "mode": "group", "sender": "s", "text": "", "timestamp": 1.5, "participants": []});
        let six_fields =
            Message::from_json(six_fields.to_string().as_bytes()).expect("an acceptable message");
        assert_eq!(six_fields.event, Event::Other);
    }

    #[test]
    fn messages_of_archety_relay_are_not_corrected() {
        for field in ["message_guid", "relay_id"] {
            let empty = json!({field: "x", "text": "", "attachments": []});
            let long = json!({field: "x", "text": "x".repeat(MAX_TEXT_CHARS + 1)});
            for broken in [empty, long] {
                let refused = Message::from_json(&body(&broken));
                let Err(InvalidMessage::Fields(found)) = refused else {
                    panic!("{refused:?}");
                };
                assert_eq!(found[0].field, "text");
            }
        }
    }
}
