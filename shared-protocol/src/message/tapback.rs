//! Reactions (tapbacks).

use serde::{Deserialize, Serialize};

/// A reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tapback {
    /// Whether the reaction was added or removed.
    pub action: TapbackAction,
    /// Which reaction.
    pub kind: TapbackKind,
    /// The emoji of [`TapbackKind::Emoji`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub emoji: Option<String>,
    /// The message that got the reaction; absent if the message is not known, as for a reaction that came as a
    /// text over SMS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub target_guid: Option<String>,
    /// The part of the message that got the reaction, counted from 0; absent for the whole message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_part: Option<i64>,
}

/// Whether a reaction was added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TapbackAction {
    /// `associated_message_type` 2000 to 2007 in chat.db.
    Added,
    /// `associated_message_type` 3000 to 3007.
    Removed,
}

/// Which reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are Messages' own")]
pub enum TapbackKind {
    Love,
    Like,
    Dislike,
    Laugh,
    Emphasize,
    Question,
    Emoji,
    Sticker,
}
