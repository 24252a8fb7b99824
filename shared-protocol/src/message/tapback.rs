//! Reactions, as Messages names them.

use serde::{Deserialize, Serialize};

/// A reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tapback {
    /// Put on or taken off.
    pub action: TapbackAction,
    /// Which one.
    pub kind: TapbackKind,
    /// The emoji of [`TapbackKind::Emoji`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 255))]
    pub emoji: Option<String>,
    /// The message that it sits on; absent where that is not known, as of a reaction that came over
    /// SMS as a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub target_guid: Option<String>,
    /// The part of that message, counted from 0; absent when it sits on the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_part: Option<i64>,
}

/// Whether a reaction was put on or taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TapbackAction {
    /// Put on (2000 to 2007 in chat.db).
    Added,
    /// Taken off (3000 to 3007).
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
