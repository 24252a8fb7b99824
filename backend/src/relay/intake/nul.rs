//! U+0000, which JSON and SQLite can hold and Postgres cannot.
//!
//! Messages can produce it, so refusing it would park a real message for ever. It is stored as U+FFFD
//! on both databases, and everything stored is still one readable text.

use shared_protocol::Message;

/// Replaces every U+0000 in what will be stored. `body` is the JSON that the message was read from:
/// without an escape in it there is nothing to look for.
pub(super) fn replace(message: &mut Message, body: &[u8]) {
    let escape = br"\u0000";
    if !body.windows(escape.len()).any(|window| window == escape) {
        return;
    }
    let attachments = message.attachments.iter_mut().flat_map(|attachment| {
        [
            Some(&mut attachment.guid),
            attachment.mime_type.as_mut(),
            attachment.name.as_mut(),
            attachment.description.as_mut(),
            attachment.transcript.as_mut(),
        ]
    });
    let tapback = message
        .tapback
        .iter_mut()
        .flat_map(|tapback| [tapback.target_guid.as_mut(), tapback.emoji.as_mut()]);
    let fields = [
        Some(&mut message.chat_guid),
        Some(&mut message.sender),
        Some(&mut message.text),
        message.message_guid.as_mut(),
        message.line.as_mut(),
        message.service.as_mut(),
        message.reply_to_guid.as_mut(),
        message.link_of_guid.as_mut(),
        message.group_name.as_mut(),
        message.effect.as_mut(),
        message.persona_id.as_mut(),
        message.relay_id.as_mut(),
    ];
    let people = message.participants.iter_mut().chain(&mut message.mentions);
    for text in attachments
        .chain(tapback)
        .chain(fields)
        .chain(people.map(Some))
        .flatten()
        .filter(|text| text.contains('\0'))
    {
        *text = text.replace('\0', "\u{fffd}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Puts U+0000 into every text but the names of things that are on a list.
    fn poison(value: &mut Value, key: &str) {
        match value {
            Value::String(text) => {
                let listed = ["mode", "event", "action", "kind", "state", "reply_via"];
                if !listed.contains(&key) {
                    text.push('\0');
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| poison(value, key)),
            Value::Object(object) => object
                .iter_mut()
                .for_each(|(key, value)| poison(value, key)),
            _ => {}
        }
    }

    #[test]
    fn no_text_of_a_message_is_left_out() {
        let mut full = json!({
            "chat_guid": "c", "mode": "group", "sender": "s", "text": "t", "timestamp": 1,
            "participants": ["p"], "message_guid": "g", "event": "tapback", "revision": 1,
            "from_owner": true, "line": "l", "service": "iMessage", "is_backfill": true,
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
            "a field of the wire is missing here"
        );
        poison(&mut full, "");
        let mut poisoned: Message = serde_json::from_value(full.clone()).expect("a message");
        replace(&mut poisoned, full.to_string().as_bytes());
        let stored = serde_json::to_string(&poisoned).expect("json");
        assert!(!stored.contains("\\u0000"), "{stored}");
    }
}
