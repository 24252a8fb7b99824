//! The backend's answer to a message that it has stored.

use serde::{Deserialize, Serialize};

use crate::optional::is_false;

/// Body of a 200 at [`crate::MESSAGE_ROUTE`].
///
/// Callers that asked for [`crate::ReplyVia::Commands`] get no reply in these fields; the fields have the form
/// that the predecessor's relays read. `version` and `environment` are in the body because the answer's
/// signature covers only the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Answer {
    /// Whether this request stored the message or found it stored.
    pub status: AnswerStatus,
    /// The backend's id of the stored message, opaque to the relay.
    pub message_id: String,
    /// Whether a reply follows, inline or as a command.
    pub should_respond: bool,
    /// The whole reply as one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_text: Option<String>,
    /// The reply as separate bubbles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reply_bubbles: Vec<String>,
    /// A short first reaction, sent at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reflex_message: Option<String>,
    /// Bubbles that follow the first reaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub burst_messages: Vec<String>,
    /// Pause before each burst message, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst_delay_ms: Option<u32>,
    /// Whether the relay cancels the replies to this chat that it has not sent yet: the message was written by the
    /// Mac's owner, who has taken the conversation over.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancel_replies: bool,
    /// Version of the backend.
    #[serde(default)]
    pub version: String,
    /// `development` or `production`.
    #[serde(default)]
    pub environment: String,
}

/// Whether a message was new to the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AnswerStatus {
    /// This request has stored the message.
    Accepted,
    /// An earlier request has stored the message under the same identity.
    Duplicate,
}

impl AnswerStatus {
    /// The status in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
        }
    }
}
