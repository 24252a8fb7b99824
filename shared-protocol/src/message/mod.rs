//! The message that a relay posts to the backend.
//!
//! Six fields are required: `chat_guid`, `mode`, `sender`, `text`, `timestamp` and `participants`. All others are
//! optional, null counts as absent, and unknown fields are ignored, so that either side can be deployed first.
//! The bytes of attachments are not part of a message: they never leave the Mac.

mod attachment;
mod edit;
mod legacy;
mod parse;
mod tapback;
mod time;
mod validate;

use serde::{Deserialize, Serialize};

use crate::optional::{is_false, is_zero, null_as_default};

pub use attachment::{Attachment, AttachmentState};
pub use edit::Edit;
pub use parse::InvalidMessage;
pub use tapback::{Tapback, TapbackAction, TapbackKind};
pub use time::MessageTime;
pub use validate::{
    MAX_ATTACHMENTS, MAX_BODY_BYTES, MAX_GUID_CHARS, MAX_NAME_CHARS, MAX_PARTICIPANTS,
    MAX_SENDER_CHARS, MAX_TEXT_CHARS, MAX_TRANSCRIPT_CHARS, Violation,
};

/// A message, or a change of a message such as an edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "fields of the protocol, independent of one another"
)]
pub struct Message {
    /// `chat.guid` of chat.db, opaque; 1 to [`MAX_GUID_CHARS`] characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub chat_guid: String,
    /// Direct or group.
    pub mode: Mode,
    /// Phone number, e-mail address, short code or business id; 1 to [`MAX_SENDER_CHARS`] characters
    /// without control characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 320))]
    pub sender: String,
    /// At most [`MAX_TEXT_CHARS`] characters; empty only with attachments or an event.
    #[cfg_attr(feature = "openapi", schema(max_length = 50000))]
    pub text: String,
    /// When it was sent, by the sender's clock.
    pub timestamp: MessageTime,
    /// Handles of the other members of the chat; at most [`MAX_PARTICIPANTS`].
    #[cfg_attr(feature = "openapi", schema(max_items = 512))]
    pub participants: Vec<String>,
    /// `message.guid` of chat.db.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub message_guid: Option<String>,
    /// What happened; absent means [`Event::Message`].
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Event::is_message")]
    pub event: Event,
    /// 0 for a message; for an edit the length of the edit history, or 0 if the text came late; for another
    /// event a counter from 1 for each guid and event.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "openapi", schema(maximum = 2_147_483_647))]
    pub revision: u32,
    /// Whether the Mac's owner wrote the message. It is stored and never answered.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub from_owner: bool,
    /// The own address to which the message was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 320))]
    pub line: Option<String>,
    /// `iMessage`, `SMS`, `RCS`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub service: Option<String>,
    /// Whether this is an old message that iCloud brought back. It is stored and never answered.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub is_backfill: bool,
    /// Whether a later message of the Mac's owner or of the assistant stands in the chat, or the owner has sent this
    /// one. The relay says so of messages that it posts again at the backend's request. The backend does not answer
    /// them, and takes none of the owner's for a takeover.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub answered: bool,
    /// Whether a machine wrote the message, such as the automatic answer of a Focus.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub automatic: bool,
    /// The message that this one replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub reply_to_guid: Option<String>,
    /// The part of the other message to which this one replies, counted from 0; -1 stands for the whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to_part: Option<i64>,
    /// The text message whose link this message shows, because Messages sends the link in a row of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub link_of_guid: Option<String>,
    /// The reaction, if `event` is [`Event::Tapback`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tapback: Option<Tapback>,
    /// Details of an edit or an unsend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// At most [`MAX_ATTACHMENTS`].
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub attachments: Vec<Attachment>,
    /// Addresses of the people whom the text mentions; at most [`MAX_PARTICIPANTS`].
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 512))]
    pub mentions: Vec<String>,
    /// The name that the members gave their group; at most [`MAX_NAME_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub group_name: Option<String>,
    /// Identifier of the screen or bubble effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub effect: Option<String>,
    /// Whether the relay clipped `text`.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// Whether `archety-replay` posted the message as a rehearsal. The backend keeps rehearsals apart from the
    /// messages of the relay.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub rehearsal: bool,
    /// The persona that the predecessor's relays name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub persona_id: Option<String>,
    /// The older name of `line`, which the predecessor's relays send. Parsing a body moves the value to `line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona_phone: Option<String>,
    /// The relay's name, which must be that of its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub relay_id: Option<String>,
    /// How the caller wants the reply; absent means inline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_via: Option<ReplyVia>,
}

impl Message {
    /// A message of the six required fields alone.
    pub fn new(
        chat_guid: impl Into<String>,
        mode: Mode,
        sender: impl Into<String>,
        text: impl Into<String>,
        timestamp: MessageTime,
        participants: Vec<String>,
    ) -> Self {
        Self {
            chat_guid: chat_guid.into(),
            mode,
            sender: sender.into(),
            text: text.into(),
            timestamp,
            participants,
            message_guid: None,
            event: Event::Message,
            revision: 0,
            from_owner: false,
            line: None,
            service: None,
            is_backfill: false,
            answered: false,
            automatic: false,
            reply_to_guid: None,
            reply_to_part: None,
            link_of_guid: None,
            tapback: None,
            edit: None,
            attachments: Vec::new(),
            mentions: Vec::new(),
            group_name: None,
            effect: None,
            truncated: false,
            rehearsal: false,
            persona_id: None,
            persona_phone: None,
            relay_id: None,
            reply_via: None,
        }
    }
}

/// Whether a chat is with one other person or with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// `chat.style` 45.
    Direct,
    /// `chat.style` 43.
    Group,
}

impl Mode {
    /// The mode in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Group => "group",
        }
    }
}

/// What happened to a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A message came in.
    #[default]
    Message,
    /// The text was edited, or arrived later than the message.
    Edit,
    /// The message, or a part of it, was unsent.
    Unsend,
    /// A reaction was added or removed.
    Tapback,
    /// The attachments arrived or changed their state.
    AttachmentUpdate,
    /// Someone joined or left, or the group was renamed.
    GroupChange,
    /// A balloon, a location or a call, which `text` describes.
    Other,
}

impl Event {
    /// Every event.
    pub const ALL: [Self; 7] = [
        Self::Message,
        Self::Edit,
        Self::Unsend,
        Self::Tapback,
        Self::AttachmentUpdate,
        Self::GroupChange,
        Self::Other,
    ];

    /// The event in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Unsend => "unsend",
            Self::Tapback => "tapback",
            Self::AttachmentUpdate => "attachment_update",
            Self::GroupChange => "group_change",
            Self::Other => "other",
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_message(&self) -> bool {
        *self == Self::Message
    }
}

/// How a caller wants the reply to its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReplyVia {
    /// As commands in the answer to the next pull.
    Commands,
    /// In the answer to this request.
    Inline,
}
