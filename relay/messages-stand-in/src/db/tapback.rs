//! Tapbacks: their codes, and the words in which their rows quote the message.

use crate::{Tapback, TapbackChange};

/// `associated_message_type` of one that comes.
pub(super) fn code(tapback: Tapback) -> i64 {
    match tapback {
        Tapback::Love => 2000,
        Tapback::Like => 2001,
        Tapback::Dislike => 2002,
        Tapback::Laugh => 2003,
        Tapback::Emphasize => 2004,
        Tapback::Question => 2005,
        Tapback::Emoji => 2006,
        Tapback::Sticker => 2007,
        Tapback::PlacedSticker => 1000,
        Tapback::PollVote => 4000,
    }
}

/// What stands before the quoted text; `None` for those that quote none.
pub(super) fn verb(tapback: Tapback, emoji: &str, change: TapbackChange) -> Option<String> {
    let (add, remove) = match tapback {
        Tapback::Love => ("Loved", "a heart"),
        Tapback::Like => ("Liked", "a like"),
        Tapback::Dislike => ("Disliked", "a dislike"),
        Tapback::Laugh => ("Laughed at", "a laugh"),
        Tapback::Emphasize => ("Emphasized", "an exclamation"),
        Tapback::Question => ("Questioned", "a question mark"),
        Tapback::Emoji => (&*format!("Reacted {emoji} to"), emoji),
        Tapback::Sticker => ("Reacted with a sticker to", "a sticker"),
        Tapback::PlacedSticker | Tapback::PollVote => return None,
    };
    Some(match change {
        TapbackChange::Add => add.to_owned(),
        TapbackChange::Remove => format!("Removed {remove} from"),
    })
}
