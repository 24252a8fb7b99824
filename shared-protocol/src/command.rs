//! Commands of the backend to a relay.
//!
//! On the wire a command is its id, its number and the fields of its kind. [`Command::parse`] reads the fields, one
//! command at a time: a command that a relay does not know, or cannot read, does not spoil the others of an answer.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::optional::{is_false, null_as_default};
use crate::{MAX_GUID_CHARS, RelayName};

/// Most commands of an answer.
pub const MAX_COMMANDS: usize = 100;
/// Most bytes of the commands of an answer. A single command may be larger.
pub const MAX_COMMANDS_BYTES: usize = 1024 * 1024;
/// Most bubbles of a command.
pub const MAX_BUBBLES: usize = 64;
/// Longest bubble, in characters.
pub const MAX_BUBBLE_CHARS: usize = 2_000;
/// The largest number of a command: numbers above it are not exact in every JSON reader.
pub const MAX_SEQ: i64 = 1 << 53;
/// Longest id of a command, in bytes.
pub const MAX_COMMAND_ID_BYTES: usize = 208;
/// Longest pause before a bubble, in milliseconds.
pub const MAX_PAUSE_MS: u32 = 60_000;

/// One command of the backend, numbered per relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Command {
    /// Sequence number, ascending per relay.
    pub seq: i64,
    /// Identifies the command. It is derived from what the command answers, so that a backend that was restored from
    /// a backup makes the same one again.
    #[serde(default)]
    pub id: String,
    /// What to do.
    pub kind: String,
    /// The fields that belong to the kind.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// What a command asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandBody {
    /// `send_message`.
    SendMessage(SendMessage),
    /// `cancel`.
    Cancel(Cancel),
    /// `ping`: the relay acks it and does nothing.
    Ping,
    /// `resend_since`.
    ResendSince(ResendSince),
    /// `forget`.
    Forget(Forget),
}

/// Why a relay does not carry out a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// This version does not know the kind.
    #[error("this relay does not know commands of this kind")]
    Unsupported,
    /// A field is missing, has another type, or breaks a rule.
    #[error("the command's {0} breaks a rule")]
    Invalid(&'static str),
}

impl CommandRefusal {
    /// The code of the ack.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::Invalid(_) => "invalid",
        }
    }
}

/// Sends a reply, or another text, to a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SendMessage {
    /// `chat.guid` of the newest message that is answered.
    pub chat_guid: String,
    /// Other guids of the same conversation.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `message.guid` of the newest message that is answered. Its row gives the chat, the service and the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_guid: Option<String>,
    /// The line from which the text must come: one of its addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// `iMessage`, `SMS`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// 1 to [`MAX_BUBBLES`] bubbles, which are sent in order.
    pub bubbles: Vec<Bubble>,
    /// Of two commands that could be sent, the one with the higher priority goes first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub priority: Priority,
    /// Nothing is sent before this time of the backend's clock, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<i64>,
    /// Nothing is sent after this time of the backend's clock, Unix seconds.
    pub not_after: i64,
    /// A time in which a late text waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietHours>,
    /// Whether an answer to another installation of this relay has carried the command. It is then never sent: its
    /// row in chat.db proves that the other installation sent it, and without a row its bubbles are `unknown`.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub handed: bool,
}

/// One text that Messages shows on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bubble {
    /// 1 to [`MAX_BUBBLE_CHARS`] characters without control characters, except line breaks and tabs.
    pub text: String,
    /// Pause before the bubble in milliseconds, at most [`MAX_PAUSE_MS`].
    #[serde(default)]
    pub pause_ms: u32,
}

/// The priority of a text, lowest first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// A text that was planned for a time.
    Scheduled,
    /// A reply.
    #[default]
    Reply,
    /// A sign-in code, for which a person waits.
    Otp,
}

impl Priority {
    /// The priority in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Reply => "reply",
            Self::Otp => "otp",
        }
    }
}

/// The quiet hours of a person, as instants of the backend's clock in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuietHours {
    /// The beginning.
    pub from: i64,
    /// The end.
    pub to: i64,
}

/// Cancels what is not sent yet: of the named commands, and of a chat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Cancel {
    /// Ids of commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// All texts to this chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_guid: Option<String>,
}

/// Posts the messages since a time again, because the backend may have lost them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ResendSince {
    /// Unix seconds.
    pub since: i64,
}

/// Erases the texts of a deleted person from the relay's state, and cancels what is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Forget {
    /// Guids of the person's direct chats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chat_guids: Vec<String>,
    /// Guids of the person's messages in other chats.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub message_guids: Vec<String>,
}

impl CommandBody {
    /// The kind in JSON.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SendMessage(_) => "send_message",
            Self::Cancel(_) => "cancel",
            Self::Ping => "ping",
            Self::ResendSince(_) => "resend_since",
            Self::Forget(_) => "forget",
        }
    }

    /// The number of bubbles that are acked; 1 for a command without bubbles.
    pub fn bubble_count(&self) -> usize {
        match self {
            Self::SendMessage(send) => send.bubbles.len(),
            Self::Cancel(_) | Self::Ping | Self::ResendSince(_) | Self::Forget(_) => 1,
        }
    }

    fn fields(&self) -> Map<String, Value> {
        let value = match self {
            Self::SendMessage(send) => serde_json::to_value(send),
            Self::Cancel(cancel) => serde_json::to_value(cancel),
            Self::Ping => return Map::new(),
            Self::ResendSince(resend) => serde_json::to_value(resend),
            Self::Forget(forget) => serde_json::to_value(forget),
        };
        match value {
            Ok(Value::Object(fields)) => fields,
            _ => unreachable!("structs of plain fields become objects"),
        }
    }
}

impl Command {
    /// A command with the fields of `body`.
    pub fn new(seq: i64, id: impl Into<String>, body: &CommandBody) -> Self {
        Self {
            seq,
            id: id.into(),
            kind: body.kind().to_owned(),
            fields: body.fields(),
        }
    }

    /// Reads and checks the fields of the command's kind.
    pub fn parse(&self) -> Result<CommandBody, CommandRefusal> {
        let has_id = !self.id.is_empty() && self.id.len() <= MAX_COMMAND_ID_BYTES;
        if !has_id || !self.id.bytes().all(is_id_byte) {
            return Err(CommandRefusal::Invalid("id"));
        }
        if !(1..=MAX_SEQ).contains(&self.seq) {
            return Err(CommandRefusal::Invalid("seq"));
        }
        let body = match self.kind.as_str() {
            "send_message" => CommandBody::SendMessage(self.read_fields()?),
            "cancel" => CommandBody::Cancel(self.read_fields()?),
            "ping" => CommandBody::Ping,
            "resend_since" => CommandBody::ResendSince(self.read_fields()?),
            "forget" => CommandBody::Forget(self.read_fields()?),
            "" => return Err(CommandRefusal::Invalid("kind")),
            _ => return Err(CommandRefusal::Unsupported),
        };
        if let CommandBody::SendMessage(send) = &body {
            send.check()?;
        }
        Ok(body)
    }

    fn read_fields<T: serde::de::DeserializeOwned>(&self) -> Result<T, CommandRefusal> {
        let fields = Value::Object(self.fields.clone());
        serde_json::from_value(fields).map_err(|_| CommandRefusal::Invalid("fields"))
    }
}

/// Reads the commands of an answer, each by itself. A number, an id or a kind that is absent or has another type is read
/// as 0 or as an empty text, so [`Command::parse`] refuses that command and no other one.
pub(crate) fn read_each<'de, D>(deserializer: D) -> Result<Vec<Command>, D::Error>
where
    D: Deserializer<'de>,
{
    let read = |value| {
        let mut fields = match value {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let mut text = |name| match fields.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (id, kind) = (text("id"), text("kind"));
        let seq = fields.remove("seq").and_then(|seq| seq.as_i64());
        let seq = seq.unwrap_or(0);
        Command {
            seq,
            id,
            kind,
            fields,
        }
    };
    let commands = Vec::<Value>::deserialize(deserializer)?;
    Ok(commands.into_iter().map(read).collect())
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl SendMessage {
    /// Fails with the first field that breaks a rule.
    pub fn check(&self) -> Result<(), CommandRefusal> {
        let is_guid = |guid: &str| !guid.is_empty() && guid.chars().count() <= MAX_GUID_CHARS;
        let rules = [
            ("chat_guid", is_guid(&self.chat_guid)),
            ("aliases", self.aliases.iter().all(|guid| is_guid(guid))),
            (
                "anchor_guid",
                self.anchor_guid.iter().all(|guid| is_guid(guid)),
            ),
            (
                "bubbles",
                (1..=MAX_BUBBLES).contains(&self.bubbles.len())
                    && self.bubbles.iter().all(Bubble::is_valid),
            ),
        ];
        match rules.into_iter().find(|(_, holds)| !holds) {
            Some((field, _)) => Err(CommandRefusal::Invalid(field)),
            None => Ok(()),
        }
    }
}

impl Bubble {
    /// Whether the bubble breaks no rule. A bubble of spaces alone breaks one, because Messages sends none.
    pub fn is_valid(&self) -> bool {
        !self.text.trim().is_empty()
            && self.text.chars().count() <= MAX_BUBBLE_CHARS
            && self.text.chars().all(is_sendable)
            && self.pause_ms <= MAX_PAUSE_MS
    }
}

/// Whether a bubble may have this character: no control character except line breaks and tabs.
pub fn is_sendable(character: char) -> bool {
    !character.is_control() || character == '\n' || character == '\t'
}

/// The id of the command that sends a reply: `cmd_` and 32 hexadecimal digits, the first half of a SHA-256 over the
/// length-prefixed parts. `conversation` is the line and the conversation's guid, and `newest_identity` the identity
/// of the newest message that the reply answers.
pub fn reply_command_id(relay: &RelayName, conversation: &[&str], newest_identity: &str) -> String {
    let mut parts = vec![relay.as_str()];
    parts.extend(conversation);
    parts.push(newest_identity);
    command_id("archety.reply.v1", &parts)
}

/// The id of a command of another kind, derived from what it is about.
pub fn command_id(domain: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("cmd_{}", hex::encode(&hash.finalize()[..16]))
}

#[cfg(test)]
mod tests;
