//! The closed sets of words that steps choose from; the first of each is what silence means.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $first:ident, $($word:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "the words are the ones of the scripts")]
        pub enum $name { #[default] $first, $($word),+ }
    };
}

words! { /// The kind of a chat.
ChatKind { Direct, Group } }
words! { /// Which columns hold a text.
Stored { Usual, Attributed, Text, Both, Empty } }
words! { /// What a receipt says.
ReceiptKind { Delivered, Read, Failed, Downgraded } }
words! { /// What a tapback says. A sticker is one of the tapbacks, a placed sticker is not.
TapbackKind {
    Love, Like, Dislike, Laugh, Emphasize, Question, Emoji, Sticker, PlacedSticker, PollVote,
} }
words! { /// Whether a tapback comes or goes.
TapbackEnd { Add, Remove } }
words! { /// What happened to a group.
GroupChange {
    Added, Removed, Renamed, Left, PhotoSet, PhotoRemoved, BackgroundSet, NumberChanged,
} }
words! { /// Rows without a body.
EventKind { LocationShared, LocationStopped, AudioKept, Call } }
words! { /// Whether guids survive a rebuild.
RebuiltGuids { Renewed, Kept } }
words! { /// The unit of message dates.
Unit { Nanoseconds, Seconds } }
words! { /// The class of a link's addresses.
UrlIs { Url, Text } }
words! { /// Where a transcript is written.
TranscriptIn { Both, Body, Attachment } }
words! { /// Whether an edit says when.
EditStamp { Dated, Undated } }
words! { /// What `part_count` counts after parts were taken back.
Counting { Left, Sent } }
