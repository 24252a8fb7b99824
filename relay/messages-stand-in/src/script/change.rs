//! The steps that change a row which is there already.

use serde::{Deserialize, Serialize};

use super::words::{Counting, EditStamp, TranscriptIn};
use super::{Label, is_default};

/// See [`Step::Edit`](super::Step::Edit).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditStep {
    /// The message.
    pub of: Label,
    /// The new text.
    pub text: String,
    /// Which part.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part: i64,
    /// The message `Edited to “…”` that tells older devices of it, before or after this step.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told_by: Option<Label>,
    /// Whether `date_edited` is written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stamp: EditStamp,
}

/// See [`Step::Unsend`](super::Step::Unsend).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsendStep {
    /// The message.
    pub of: Label,
    /// Which parts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parts: Vec<i64>,
    /// What `part_count` counts afterwards: what is left, or what was sent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part_count: Counting,
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
pub struct LookupStep {
    /// The chat.
    pub chat: String,
    /// The identifier.
    pub identifier: String,
    /// The service that it is an identifier of; the chat's without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub domain: Option<String>,
}
