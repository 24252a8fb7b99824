//! Attachments: the values of a row of `attachment`.

use serde::{Deserialize, Serialize};

use super::{Columns, is_default};

/// The code in `attachment.transfer_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransferState(pub i64);

impl TransferState {
    /// The download has not begun.
    pub const WAITING: Self = Self(0);
    /// The download is running.
    pub const TRANSFERRING: Self = Self(3);
    /// The file is on the Mac.
    pub const FINISHED: Self = Self(5);
}

impl Default for TransferState {
    fn default() -> Self {
        Self::FINISHED
    }
}

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// `at_<part>_<message guid>` or a plain UUID. Required in a script; for other callers an empty guid is
    /// replaced by a generated one.
    pub guid: String,
    /// `transfer_name`: the file's name as the sender knows it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub mime_type: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub uti: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes: i64,
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: TransferState,
    /// 1 for stickers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sticker: i64,
    /// 1 for a file that Messages hides, such as the image of a link preview.
    #[serde(default, skip_serializing_if = "is_default")]
    pub hidden: i64,
    /// The transcript of a voice message, in `user_info`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transcript: Option<String>,
    /// The description of a Genmoji or sticker, in `emoji_image_short_description`. Left out in the
    /// database of a macOS without that column.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: Option<String>,
    /// Values of other columns, which are written only when a script is played.
    #[serde(default, skip_serializing_if = "is_default")]
    pub columns: Columns,
}

impl Attachment {
    pub fn photo(name: impl Into<String>, bytes: i64) -> Self {
        Self::file(name, "image/jpeg", "public.jpeg", bytes)
    }

    pub fn voice(bytes: i64) -> Self {
        let uti = "com.apple.coreaudio-format";
        Self::file("Audio Message.caf", "audio/x-caf", uti, bytes)
    }

    /// A Genmoji or sticker inside a text, with its description.
    pub fn genmoji(description: impl Into<String>) -> Self {
        Self {
            description: Some(description.into()),
            ..Self::file("Genmoji.heic", "image/heic", "public.heic", 9_000)
        }
    }

    fn file(name: impl Into<String>, mime_type: &str, uti: &str, bytes: i64) -> Self {
        Self {
            name: Some(name.into()),
            mime_type: Some(mime_type.to_owned()),
            uti: Some(uti.to_owned()),
            bytes,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn with_transcript(mut self, transcript: impl Into<String>) -> Self {
        self.transcript = Some(transcript.into());
        self
    }

    #[must_use]
    pub fn with_guid(mut self, guid: impl Into<String>) -> Self {
        self.guid = guid.into();
        self
    }

    #[must_use]
    pub fn in_state(mut self, state: TransferState) -> Self {
        self.state = state;
        self
    }
}
