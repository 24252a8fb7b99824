//! Enums of the words that fields of steps can have. The first word of each is the default.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $first:ident, $($word:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { #[default] $first, $($word),+ }
    };
}

words! { /// The kind of a chat: `chat.style` 45 or 43.
ChatKind { Direct, Group } }
words! { /// The columns in which a text is written. `Usual` stands for the columns of the style: both until macOS 12,
/// only `attributedBody` since macOS 13. `Attributed` stands for `attributedBody` alone.
Stored { Usual, Attributed, Text, Both, Empty } }
words! { /// The kind of a receipt.
ReceiptKind { Delivered, Read, Failed, Downgraded } }
words! { /// The kind of a tapback. `Sticker` is a reaction; `PlacedSticker` and `PollVote` are other rows that
/// refer to a message in the same way.
Tapback {
    Love, Like, Dislike, Laugh, Emphasize, Question, Emoji, Sticker, PlacedSticker, PollVote,
} }
words! { /// Whether a tapback is added (2000–2007) or removed (3000–3007).
TapbackChange { Add, Remove } }
words! { /// The kind of a group change.
GroupChange {
    Added, Removed, Renamed, Left, PhotoSet, PhotoRemoved, BackgroundSet, NumberChanged,
} }
words! { /// The kind of an event whose row has no body. `AudioKept`: a person keeps an audio message, which would
/// otherwise expire.
EventKind { LocationShared, LocationStopped, AudioKept, Call } }
words! { /// Whether a rebuild gives the messages new guids, as iCloud does on an empty Mac, or keeps them, as
/// a restore from a copy does.
MessageGuids { Renewed, Kept } }
words! { /// The unit of the dates of messages: nanoseconds since macOS 10.13, seconds before. Upgraded
/// databases have rows in both units.
DateUnit { Nanoseconds, Seconds } }
words! { /// The class in which a link's addresses are archived: `NSURL` or `NSString`. Both occur.
UrlClass { Url, Text } }
words! { /// The place where a transcript is written.
TranscriptIn { Both, Body, Attachment } }
words! { /// Whether an edit sets `date_edited`. macOS 26.6 does not.
EditDate { Dated, Undated } }
words! { /// The value of `part_count` after an unsend: the number of parts left, or of parts sent.
PartCount { Left, Sent } }
