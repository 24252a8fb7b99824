//! Tapbacks: their codes, and the words in which their rows quote the message.

/// What a tapback says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tapback {
    /// 2000
    Love,
    /// 2001
    Like,
    /// 2002
    Dislike,
    /// 2003
    Laugh,
    /// 2004
    Emphasize,
    /// 2005
    Question,
    /// 2006
    Emoji(String),
    /// 2007
    Sticker,
}

impl Tapback {
    pub(super) fn code(&self) -> i64 {
        match self {
            Self::Love => 2000,
            Self::Like => 2001,
            Self::Dislike => 2002,
            Self::Laugh => 2003,
            Self::Emphasize => 2004,
            Self::Question => 2005,
            Self::Emoji(_) => 2006,
            Self::Sticker => 2007,
        }
    }

    pub(super) fn verb(&self, change: TapbackChange) -> String {
        let (add, remove) = match self {
            Self::Love => ("Loved", "a heart"),
            Self::Like => ("Liked", "a like"),
            Self::Dislike => ("Disliked", "a dislike"),
            Self::Laugh => ("Laughed at", "a laugh"),
            Self::Emphasize => ("Emphasized", "an exclamation"),
            Self::Question => ("Questioned", "a question mark"),
            Self::Emoji(emoji) => {
                return match change {
                    TapbackChange::Add => format!("Reacted {emoji} to"),
                    TapbackChange::Remove => format!("Removed {emoji} from"),
                };
            }
            Self::Sticker => ("Reacted with a sticker to", "a sticker"),
        };
        match change {
            TapbackChange::Add => add.to_owned(),
            TapbackChange::Remove => format!("Removed {remove} from"),
        }
    }
}

/// Whether a tapback comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TapbackChange {
    /// 2000–2007
    #[default]
    Add,
    /// 3000–3007
    Remove,
}
