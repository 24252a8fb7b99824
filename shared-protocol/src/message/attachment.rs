//! Attachments: the metadata of files that stay on the Mac.

use serde::{Deserialize, Serialize};

use crate::optional::{is_false, null_as_default};

/// The metadata of an attachment. Its bytes stay on the Mac.
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
    /// The number of the attachment among the parts of the message, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<i64>,
    /// A description of a Genmoji or sticker; at most [`super::MAX_NAME_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub description: Option<String>,
    /// The transcript of a voice message; at most [`super::MAX_TRANSCRIPT_CHARS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 10000))]
    pub transcript: Option<String>,
    /// Whether the attachment is a sticker.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub is_sticker: bool,
    /// State of the transfer to the Mac.
    #[serde(default, deserialize_with = "null_as_default")]
    pub state: AttachmentState,
}

/// State of the transfer of an attachment to the Mac.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// The transfer has not begun.
    #[default]
    Waiting,
    /// The file is transferred now.
    Transferring,
    /// The file is on the Mac.
    Finished,
    /// The transfer has failed.
    Failed,
}
