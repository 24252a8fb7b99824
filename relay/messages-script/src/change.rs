//! The steps that change an existing row.

use serde::{Deserialize, Serialize};

use super::words::{EditDate, PartCount, TranscriptIn};
use super::{Label, is_default};

/// An edit of one part of a message.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The message; empty outside of a script.
    pub of: Label,
    pub text: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub part: i64,
    /// `bcg`: the row `Edited to “…”` that shows the edit to older devices. The script may write that row
    /// before or after this step.
    #[serde(default, rename = "told_by", skip_serializing_if = "is_default")]
    pub notice: Option<Label>,
    /// Whether the edit sets `date_edited`.
    #[serde(default, rename = "stamp", skip_serializing_if = "is_default")]
    pub date: EditDate,
}

impl Edit {
    /// An edit of part 0 to this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn of_part(mut self, part: i64) -> Self {
        self.part = part;
        self
    }

    /// Sets the guid of the row that shows the edit to older devices.
    #[must_use]
    pub fn with_notice(mut self, guid: impl Into<String>) -> Self {
        self.notice = Some(Label(guid.into()));
        self
    }

    /// Leaves `date_edited` as it was.
    #[must_use]
    pub fn undated(mut self) -> Self {
        self.date = EditDate::Undated;
        self
    }
}

/// See [`Step::Unsend`](super::Step::Unsend).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsend {
    pub of: Label,
    /// The numbers of the parts; empty for all.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parts: Vec<i64>,
    /// The value of `part_count` afterwards.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part_count: PartCount,
}

/// See [`Step::Transcript`](super::Step::Transcript).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranscriptStep {
    pub of: Label,
    pub text: String,
    /// The place where the transcript is written.
    #[serde(default, rename = "in", skip_serializing_if = "is_default")]
    pub place: TranscriptIn,
}

/// See [`Step::Lookup`](super::Step::Lookup).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    pub chat: String,
    /// `chat_lookup.identifier`: a phone number, or the identifier of a group.
    pub identifier: String,
    /// `chat_lookup.domain`: the service of the identifier. Without it, the chat's service.
    #[serde(default, skip_serializing_if = "is_default")]
    pub domain: Option<String>,
}
