//! Replaces U+0000, which JSON and SQLite can hold and Postgres cannot.
//!
//! The Messages app can write this character, so a refusal would keep a real message from ever being stored. Both
//! databases store U+FFFD in its place.

use serde_json::Value;
use shared_protocol::Message;

/// Replaces every U+0000 in the texts of a message. `body` is the JSON of the message: without the escape `\u0000` in
/// `body`, no text has the character.
pub(super) fn replace(message: Message, body: &[u8]) -> Message {
    let escape = br"\u0000";
    if !body.windows(escape.len()).any(|window| window == escape) {
        return message;
    }
    let mut value = serde_json::to_value(message).expect("plain data with string keys");
    replace_in(&mut value);
    serde_json::from_value(value).expect("only texts have changed")
}

fn replace_in(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(list) => list.iter_mut().for_each(replace_in),
        Value::Object(fields) => fields.values_mut().for_each(replace_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Appends U+0000 to every text, except to the values of enums.
    fn append_nul(value: &mut Value, key: &str) {
        match value {
            Value::String(text) => {
                let enums = ["mode", "event", "action", "kind", "state", "reply_via"];
                if !enums.contains(&key) {
                    text.push('\0');
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| append_nul(value, key)),
            Value::Object(object) => object
                .iter_mut()
                .for_each(|(key, value)| append_nul(value, key)),
            _ => {}
        }
    }

    #[test]
    fn the_character_is_replaced_in_every_text_of_a_message() {
        let mut full = json!({
            "chat_guid": "c", "mode": "group", "sender": "s", "text": "t", "timestamp": 1,
            "participants": ["p"], "message_guid": "g", "event": "tapback", "revision": 1,
            "from_owner": true, "line": "l", "service": "iMessage", "is_backfill": true,
            "answered": true, "automatic": true,
            "reply_to_guid": "r", "reply_to_part": 1, "link_of_guid": "k",
            "tapback": {
                "action": "added", "kind": "emoji", "emoji": "e", "target_guid": "t", "target_part": 0,
            },
            "edit": {
                "edited_at": 1, "history_length": 2, "unsent_parts": [0], "fully_unsent": true,
            },
            "attachments": [{
                "guid": "a", "mime_type": "m", "name": "n", "size_bytes": 1, "part": 0,
                "description": "d", "transcript": "t", "is_sticker": true, "state": "finished",
            }],
            "mentions": ["m"], "group_name": "n", "effect": "e", "truncated": true,
            "rehearsal": true, "persona_id": "p", "relay_id": "r", "reply_via": "commands",
        });
        let message: Message = serde_json::from_value(full.clone()).expect("a message");
        assert_eq!(
            serde_json::to_value(&message).expect("json"),
            full,
            "the JSON of this test lacks a field of the wire format"
        );
        append_nul(&mut full, "");
        let with_nul: Message = serde_json::from_value(full.clone()).expect("a message");
        let replaced = replace(with_nul, full.to_string().as_bytes());
        let stored = serde_json::to_string(&replaced).expect("json");
        assert!(!stored.contains("\\u0000"), "{stored}");
    }
}
