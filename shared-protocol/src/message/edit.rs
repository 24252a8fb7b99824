//! Edits and unsends: what changed about a message that was sent before.

use serde::{Deserialize, Serialize};

use super::MessageTime;
use crate::optional::{is_false, is_zero, null_as_default};

/// What is known about an edit or an unsend.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Edit {
    /// When the message was edited, if chat.db says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<MessageTime>,
    /// Number of texts in the edit history, the original included.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_zero")]
    pub history_length: u32,
    /// Parts that were unsent, counted from 0.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsent_parts: Vec<i64>,
    /// Whether all parts were unsent.
    #[serde(default, deserialize_with = "null_as_default")]
    #[serde(skip_serializing_if = "is_false")]
    pub fully_unsent: bool,
}
