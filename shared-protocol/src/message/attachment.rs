//! Attachments: what can be said of a file that stays on the Mac.

use serde::{Deserialize, Serialize};

use crate::optional::{is_false, null_as_default};

/// What is known about an attachment. Its bytes stay on the Mac.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Attachment {
    /// `attachment.guid` of chat.db.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub guid: String,
    /// MIME type, if Messages knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub mime_type: Option<String>,
    /// File name without its folder; at most [`super::MAX_NAME_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub name: Option<String>,
    /// Size of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// The part of the message that it is, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<i64>,
    /// What a Genmoji or a sticker shows, in words; at most [`super::MAX_NAME_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub description: Option<String>,
    /// What is said in a voice message; at most [`super::MAX_TRANSCRIPT_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 10000))]
    pub transcript: Option<String>,
    /// Whether it is a sticker.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "is_false"
    )]
    pub is_sticker: bool,
    /// How far its transfer has come.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: AttachmentState,
}

/// How far the transfer of an attachment has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// Not on the Mac yet.
    #[default]
    Waiting,
    /// On its way.
    Transferring,
    /// On the Mac's disk.
    Finished,
    /// Given up.
    Failed,
}
