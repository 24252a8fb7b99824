//! The steps that change a row which is there already.

use serde::{Deserialize, Serialize};

use super::words::{EditDate, PartCount, TranscriptIn};
use super::{Label, is_default};

/// A part that is rewritten.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The message; empty outside of a script.
    pub of: Label,
    /// What the part says now.
    pub text: String,
    /// Which part.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part: i64,
    /// `bcg`: the row `Edited to “…”` that older devices see in its place, before or after this step.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told_by: Option<Label>,
    /// Whether the row says when.
    #[serde(default, rename = "stamp", skip_serializing_if = "is_default")]
    pub date: EditDate,
}

impl Edit {
    /// Part 0 now says this.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// The same of another part.
    #[must_use]
    pub fn of_part(mut self, part: i64) -> Self {
        self.part = part;
        self
    }

    /// The same, told to older devices by the row with this guid.
    #[must_use]
    pub fn told_by(mut self, guid: impl Into<String>) -> Self {
        self.told_by = Some(Label(guid.into()));
        self
    }

    /// The same without a `date_edited`.
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
    /// The message.
    pub of: Label,
    /// Which parts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parts: Vec<i64>,
    /// What becomes of `part_count`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part_count: PartCount,
}

/// See [`Step::Transcript`](super::Step::Transcript).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranscriptStep {
    /// The message.
    pub of: Label,
    /// What was said.
    pub text: String,
    /// Where it is written.
    #[serde(default, rename = "in", skip_serializing_if = "is_default")]
    pub place: TranscriptIn,
}

/// See [`Step::Lookup`](super::Step::Lookup).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// The chat.
    pub chat: String,
    /// The identifier.
    pub identifier: String,
    /// The service that it is an identifier of; the chat's without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub domain: Option<String>,
}
