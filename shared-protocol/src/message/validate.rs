//! The rules for messages. The relay composes messages that keep them, and the backend refuses others.

use serde::{Deserialize, Serialize};

use super::{Event, Message};

/// Longest text, in characters; the relay clips a longer text and sets `truncated`.
pub const MAX_TEXT_CHARS: usize = 50_000;
/// Longest guid of a chat, message or attachment, in characters.
pub const MAX_GUID_CHARS: usize = 512;
/// Longest handle, in characters. RFC 5321 allows 320 for an e-mail address.
pub const MAX_SENDER_CHARS: usize = 320;
/// Most participants of a chat.
pub const MAX_PARTICIPANTS: usize = 512;
/// Most attachments of a message.
pub const MAX_ATTACHMENTS: usize = 100;
/// Longest name or other short text, in characters.
pub const MAX_NAME_CHARS: usize = 255;
/// Longest transcript of a voice message, in characters.
pub const MAX_TRANSCRIPT_CHARS: usize = 10_000;
/// Largest body of a request, in bytes.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// One field that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Violation {
    /// Path of the field, as in `attachments[2].name`.
    pub field: String,
    /// The rule, without the offending value.
    pub message: String,
}

impl Violation {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl Message {
    /// Every rule that this message breaks.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = ViolationList(Vec::new());
        found.check_guid("chat_guid", &self.chat_guid);
        found.check_handle("sender", &self.sender);
        found.check_length("text", Some(&self.text), MAX_TEXT_CHARS);
        if self.text.is_empty() && self.attachments.is_empty() && self.event == Event::Message {
            found.push("text", "must not be empty without attachments or an event");
        }
        let participants =
            found.checked_entries("participants", &self.participants, MAX_PARTICIPANTS);
        for (field, participant) in participants {
            found.check_length(&field, Some(participant), MAX_SENDER_CHARS);
        }
        for (field, address) in found.checked_entries("mentions", &self.mentions, MAX_PARTICIPANTS)
        {
            found.check_handle(&field, address);
        }
        for (field, guid) in [
            ("message_guid", &self.message_guid),
            ("reply_to_guid", &self.reply_to_guid),
            ("link_of_guid", &self.link_of_guid),
        ] {
            if let Some(guid) = guid {
                found.check_guid(field, guid);
            }
        }
        if i32::try_from(self.revision).is_err() {
            found.push("revision", "at most 2147483647");
        }
        if let Some(line) = &self.line {
            found.check_handle("line", line);
        }
        for (field, name) in [
            ("service", &self.service),
            ("group_name", &self.group_name),
            ("effect", &self.effect),
            ("persona_id", &self.persona_id),
            ("relay_id", &self.relay_id),
        ] {
            found.check_length(field, name.as_deref(), MAX_NAME_CHARS);
        }
        match (&self.tapback, self.event) {
            (None, Event::Tapback) => found.push("tapback", "required when event is tapback"),
            (Some(tapback), _) => {
                if let Some(target) = &tapback.target_guid {
                    found.check_guid("tapback.target_guid", target);
                }
                found.check_length("tapback.emoji", tapback.emoji.as_deref(), MAX_NAME_CHARS);
            }
            (None, _) => {}
        }
        for (field, file) in
            found.checked_entries("attachments", &self.attachments, MAX_ATTACHMENTS)
        {
            found.check_guid(&format!("{field}.guid"), &file.guid);
            for (name, text, limit) in [
                ("mime_type", &file.mime_type, MAX_NAME_CHARS),
                ("name", &file.name, MAX_NAME_CHARS),
                ("description", &file.description, MAX_NAME_CHARS),
                ("transcript", &file.transcript, MAX_TRANSCRIPT_CHARS),
            ] {
                found.check_length(&format!("{field}.{name}"), text.as_deref(), limit);
            }
            if file
                .size_bytes
                .is_some_and(|bytes| i64::try_from(bytes).is_err())
            {
                found.push(format!("{field}.size_bytes"), "too large");
            }
        }
        found.0
    }
}

/// Whether a handle breaks no rule.
pub(super) fn is_handle(handle: &str) -> bool {
    let mut found = ViolationList(Vec::new());
    found.check_handle("", handle);
    found.0.is_empty()
}

struct ViolationList(Vec<Violation>);

impl ViolationList {
    fn push(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.push(Violation::new(field, rule));
    }

    fn check_guid(&mut self, field: &str, guid: &str) {
        if guid.is_empty() || guid.chars().count() > MAX_GUID_CHARS {
            self.push(field, format!("1 to {MAX_GUID_CHARS} characters"));
        }
    }

    fn check_handle(&mut self, field: &str, handle: &str) {
        if handle.is_empty() || handle.chars().count() > MAX_SENDER_CHARS {
            self.push(field, format!("1 to {MAX_SENDER_CHARS} characters"));
        } else if handle.chars().any(char::is_control) {
            self.push(field, "no control characters");
        }
    }

    /// Checks that a text has at most `limit` characters.
    fn check_length(&mut self, field: &str, text: Option<&str>, limit: usize) {
        if text.is_some_and(|text| text.chars().nth(limit).is_some()) {
            self.push(field, format!("at most {limit} characters"));
        }
    }

    /// Checks the length of a list. Returns at most `limit` entries, each with the path of its field.
    fn checked_entries<'e, T>(
        &mut self,
        field: &'static str,
        entries: &'e [T],
        limit: usize,
    ) -> impl Iterator<Item = (String, &'e T)> + use<'e, T> {
        if entries.len() > limit {
            self.push(field, format!("at most {limit} entries"));
        }
        let entries = entries.iter().take(limit).enumerate();
        entries.map(move |(i, entry)| (format!("{field}[{i}]"), entry))
    }
}
