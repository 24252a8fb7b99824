//! The steps a script can take, and their fields.
//!
//! Only what differs from an ordinary iMessage need be said. `columns` sets anything else by the
//! column's name; a column that the style lacks is left out, one that no macOS has is an error.

use serde::{Deserialize, Serialize};

use super::change::{Edit, Lookup, TranscriptStep, Unsend};
use super::words::{
    DateUnit, EventKind, GroupChange, MessageGuids, ReceiptKind, Tapback, TapbackChange,
};
use super::{Attachment, Chat, Columns, Label, MessageStep, is_default};

/// What happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// A chat comes into being.
    Chat(Chat),
    /// A message row is written, and joined.
    Message(Box<MessageStep>),
    /// A person reacts.
    Tapback(TapbackStep),
    /// A message is joined to a(nother) chat.
    Join {
        /// The message.
        of: Label,
        /// The chat.
        chat: String,
    },
    /// A part is rewritten.
    Edit(Edit),
    /// Parts are taken back; none named means all.
    Unsend(Unsend),
    /// A receipt, an error, a fall-back to SMS.
    Receipt {
        /// The message.
        of: Label,
        /// What it says.
        kind: ReceiptKind,
    },
    /// An attachment appears on an older message.
    Attachment {
        /// The message.
        of: Label,
        /// The attachment.
        attachment: Attachment,
    },
    /// A download is done.
    AttachmentFinished {
        /// `attachment.guid`
        guid: String,
        /// Size in bytes.
        bytes: i64,
    },
    /// The transcript of a voice message appears.
    Transcript(TranscriptStep),
    /// Members come and go, names and photos change: a row in the chat says so.
    Group(GroupStep),
    /// Location sharing, a kept audio message, a call: rows without a body.
    Event {
        /// The chat.
        chat: String,
        /// Who; `me` for the owner.
        from: String,
        /// What.
        kind: EventKind,
    },
    /// Columns of a message row change.
    Set {
        /// The message.
        of: Label,
        /// The columns.
        columns: Columns,
    },
    /// Columns of a chat change.
    SetChat {
        /// The chat.
        chat: String,
        /// The columns.
        columns: Columns,
    },
    /// An identifier stands for a chat in `chat_lookup`, where this macOS has that table.
    Lookup(Lookup),
    /// Old messages arrive at once, with new ROWIDs and guids.
    Backfill(Backfill),
    /// iCloud inserts a message again: another ROWID, another guid, the same date and text.
    Twin {
        /// The message.
        of: Label,
    },
    /// The message goes to "Recently Deleted".
    RecentlyDeleted {
        /// The message.
        of: Label,
    },
    /// The message is gone for good.
    Delete {
        /// The message.
        of: Label,
    },
    /// The WAL's content moves into the database.
    Checkpoint {},
    /// The writer closes and opens again: the sidecars are other files.
    RotateWal {},
    /// Another file takes chat.db's place, with ROWIDs from 1.
    Rebuild {
        /// How many of the newest messages it holds.
        keep: u32,
        /// Whether iCloud gave them other guids.
        #[serde(default, skip_serializing_if = "is_default")]
        guids: MessageGuids,
    },
    /// Message dates are stored in this unit from here on.
    Dates {
        /// Seconds or nanoseconds.
        unit: DateUnit,
    },
    /// Nothing; only time passes.
    Pause {},
}

/// See [`Step::Tapback`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapbackStep {
    /// Its name in the script.
    #[serde(default, skip_serializing_if = "is_default")]
    pub id: Option<Label>,
    /// The message it is on.
    pub on: Label,
    /// Which part of it; -1 for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part: i64,
    /// The chat.
    pub chat: String,
    /// Who; `me` for the owner.
    pub from: String,
    /// What.
    pub kind: Tapback,
    /// The emoji, for that kind.
    #[serde(default, skip_serializing_if = "is_default")]
    pub emoji: Option<String>,
    /// Whether it is taken off.
    #[serde(default, skip_serializing_if = "is_default")]
    pub change: TapbackChange,
}

/// See [`Step::Group`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupStep {
    /// Its name in the script.
    #[serde(default, skip_serializing_if = "is_default")]
    pub id: Option<Label>,
    /// The chat.
    pub chat: String,
    /// Who did it; `me` for the owner.
    pub from: String,
    /// What.
    pub change: GroupChange,
    /// To whom.
    #[serde(default, skip_serializing_if = "is_default")]
    pub who: Option<String>,
    /// The new name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
}

/// See [`Step::Backfill`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backfill {
    /// The chat.
    pub chat: String,
    /// The sender; `me` for the owner.
    pub from: String,
    /// How many.
    pub count: u32,
    /// How old the oldest is.
    pub oldest_hours: f64,
    /// How old the newest is.
    pub newest_hours: f64,
    /// The beginning of each text; a number follows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text: Option<String>,
}

impl Step {
    /// Every address that it names.
    pub(super) fn addresses(&self) -> Vec<&str> {
        let addresses: Vec<Option<&String>> = match self {
            Self::Chat(chat) => {
                let line = std::iter::once(chat.line.as_ref());
                line.chain(chat.with.iter().map(Some)).collect()
            }
            Self::Message(message) => {
                let own = [&message.from, &message.to, &message.about, &message.line];
                let told = message.mentions().chain(message.poll_creators());
                let own = own.map(Option::as_ref).into_iter();
                own.chain(told.map(Some)).collect()
            }
            Self::Tapback(tapback) => vec![Some(&tapback.from)],
            Self::Group(group) => vec![Some(&group.from), group.who.as_ref()],
            Self::Event { from, .. } => vec![Some(from)],
            Self::Backfill(backfill) => vec![Some(&backfill.from)],
            _ => Vec::new(),
        };
        let addresses = addresses.into_iter().flatten().map(String::as_str);
        addresses.filter(|address| *address != "me").collect()
    }
}
