//! The codes of tapbacks, and the words that the text of a tapback has before the text it quotes.

use crate::{Tapback, TapbackChange};

/// The code in `associated_message_type`, and the words before the quoted text, such as `Loved`. Placed stickers
/// and votes quote no text, so they have no words.
pub(super) fn code_and_words(
    tapback: Tapback,
    emoji: &str,
    change: TapbackChange,
) -> (i64, Option<String>) {
    let reacted_to = format!("Reacted {emoji} to");
    let (code, verb, noun) = match tapback {
        Tapback::Love => (2000, "Loved", "a heart"),
        Tapback::Like => (2001, "Liked", "a like"),
        Tapback::Dislike => (2002, "Disliked", "a dislike"),
        Tapback::Laugh => (2003, "Laughed at", "a laugh"),
        Tapback::Emphasize => (2004, "Emphasized", "an exclamation"),
        Tapback::Question => (2005, "Questioned", "a question mark"),
        Tapback::Emoji => (2006, reacted_to.as_str(), emoji),
        Tapback::Sticker => (2007, "Reacted with a sticker to", "a sticker"),
        Tapback::PlacedSticker => return (1000, None),
        Tapback::PollVote => return (4000, None),
    };
    match change {
        TapbackChange::Add => (code, Some(verb.to_owned())),
        TapbackChange::Remove => (code + 1000, Some(format!("Removed {noun} from"))),
    }
}
