//! Tapbacks: the codes, and the words before the quoted text.

use crate::{Tapback, TapbackChange};

/// The code in `associated_message_type`, and the words before the quoted text. The words are absent for
/// rows that quote no text.
pub(super) fn code_and_verb(
    tapback: Tapback,
    emoji: &str,
    change: TapbackChange,
) -> (i64, Option<String>) {
    let reacted = format!("Reacted {emoji} to");
    let (code, added, removed) = match tapback {
        Tapback::Love => (2000, "Loved", "a heart"),
        Tapback::Like => (2001, "Liked", "a like"),
        Tapback::Dislike => (2002, "Disliked", "a dislike"),
        Tapback::Laugh => (2003, "Laughed at", "a laugh"),
        Tapback::Emphasize => (2004, "Emphasized", "an exclamation"),
        Tapback::Question => (2005, "Questioned", "a question mark"),
        Tapback::Emoji => (2006, reacted.as_str(), emoji),
        Tapback::Sticker => (2007, "Reacted with a sticker to", "a sticker"),
        Tapback::PlacedSticker => return (1000, None),
        Tapback::PollVote => return (4000, None),
    };
    match change {
        TapbackChange::Add => (code, Some(added.to_owned())),
        TapbackChange::Remove => (code + 1000, Some(format!("Removed {removed} from"))),
    }
}
