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

words! { /// The kind of a chat: `chat.style` 45 or 43.
ChatKind { Direct, Group } }
words! { /// Which columns hold a text.
Stored { Usual, Attributed, Text, Both, Empty } }
words! { /// What a receipt says.
ReceiptKind { Delivered, Read, Failed, Downgraded } }
words! { /// What a tapback says. A sticker is one of the tapbacks; a placed sticker and a vote are not.
Tapback {
    Love, Like, Dislike, Laugh, Emphasize, Question, Emoji, Sticker, PlacedSticker, PollVote,
} }
words! { /// Whether a tapback comes (2000–2007) or goes (3000–3007).
TapbackChange { Add, Remove } }
words! { /// What happened to a group.
GroupChange {
    Added, Removed, Renamed, Left, PhotoSet, PhotoRemoved, BackgroundSet, NumberChanged,
} }
words! { /// Rows without a body.
EventKind { LocationShared, LocationStopped, AudioKept, Call } }
words! { /// What guids the messages have after a rebuild: others, as when iCloud fills an empty Mac, or
/// the same, as after a restore from a copy.
MessageGuids { Renewed, Kept } }
words! { /// How `message.date` and its relatives are stored: in nanoseconds since macOS 10.13, in seconds
/// before; upgraded databases still hold such rows.
DateUnit { Nanoseconds, Seconds } }
words! { /// In which class a link's addresses are archived: `NSURL` or `NSString`; both occur.
UrlClass { Url, Text } }
words! { /// Where a transcript is written.
TranscriptIn { Both, Body, Attachment } }
words! { /// Whether `date_edited` is written, or stays as it was, as macOS 26.6 leaves it.
EditDate { Dated, Undated } }
words! { /// What `part_count` counts after parts were taken back: what is left, or what was sent.
PartCount { Left, Sent } }
