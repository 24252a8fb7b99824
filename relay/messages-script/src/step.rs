//! The steps of scripts and their fields.
//!
//! A step needs only the fields that differ from an ordinary iMessage. The field `columns` sets other
//! columns by name. A column that the style lacks is left out; a column that no macOS has is an error.

use serde::{Deserialize, Serialize};

use super::change::{Edit, Lookup, TranscriptStep, Unsend};
use super::words::{
    DateUnit, EventKind, GroupChange, MessageGuids, ReceiptKind, Tapback, TapbackChange,
};
use super::{Attachment, Chat, Columns, Label, MessageStep, is_default};

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// A chat is created.
    Chat(Chat),
    /// A message row is written and joined to its chat.
    Message(Box<MessageStep>),
    /// A person reacts to a message.
    Tapback(TapbackStep),
    /// A message is joined to a chat, or to a further one.
    Join {
        of: Label,
        chat: String,
    },
    Edit(Edit),
    Unsend(Unsend),
    /// A receipt, an error, a fall-back to SMS.
    Receipt {
        of: Label,
        kind: ReceiptKind,
    },
    /// An attachment appears on an older message.
    Attachment {
        of: Label,
        attachment: Attachment,
    },
    /// The download of an attachment finishes.
    AttachmentFinished {
        /// `attachment.guid`
        guid: String,
        bytes: i64,
    },
    /// The transcript of a voice message is written.
    Transcript(TranscriptStep),
    /// A change of a group, which has a row of its own: members, name or photo.
    Group(GroupStep),
    /// The sender shares a location, keeps an audio message from expiring, or calls: rows without a body.
    Event {
        chat: String,
        from: String,
        kind: EventKind,
    },
    Set {
        of: Label,
        columns: Columns,
    },
    SetChat {
        chat: String,
        columns: Columns,
    },
    /// An identifier is assigned to a chat in `chat_lookup`, if the style has that table.
    Lookup(Lookup),
    /// Old messages arrive at once, with new ROWIDs and guids.
    Backfill(Backfill),
    /// iCloud inserts a copy of a message: another ROWID and guid, the same date and text.
    Twin {
        of: Label,
    },
    RecentlyDeleted {
        of: Label,
    },
    Delete {
        of: Label,
    },
    /// The contents of the WAL are moved into the database.
    Checkpoint {},
    /// The writer closes the database and opens it again, which makes new `-wal` and `-shm` files.
    RotateWal {},
    /// chat.db is replaced by another file, with ROWIDs from 1.
    Rebuild {
        /// The number of messages, the newest ones, that the new file has.
        keep: u32,
        /// Whether the messages get other guids.
        #[serde(default, skip_serializing_if = "is_default")]
        guids: MessageGuids,
    },
    /// From this step on, dates of messages are written in this unit.
    Dates {
        /// Seconds or nanoseconds.
        unit: DateUnit,
    },
    /// Nothing happens; time passes.
    Pause {},
}

/// See [`Step::Tapback`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapbackStep {
    #[serde(default, skip_serializing_if = "is_default")]
    pub id: Option<Label>,
    pub on: Label,
    /// The part of that message; -1 for the whole message.
    #[serde(default, skip_serializing_if = "is_default")]
    pub part: i64,
    pub chat: String,
    pub from: String,
    pub kind: Tapback,
    #[serde(default, skip_serializing_if = "is_default")]
    pub emoji: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub change: TapbackChange,
}

/// See [`Step::Group`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupStep {
    #[serde(default, skip_serializing_if = "is_default")]
    pub id: Option<Label>,
    pub chat: String,
    /// The person who made the change; `me` for the owner.
    pub from: String,
    pub change: GroupChange,
    #[serde(default, skip_serializing_if = "is_default")]
    pub who: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub title: Option<String>,
}

/// See [`Step::Backfill`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backfill {
    pub chat: String,
    /// The sender; `me` for the owner.
    pub from: String,
    pub count: u32,
    pub oldest_hours: f64,
    pub newest_hours: f64,
    /// The beginning of each text, which a number follows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text: Option<String>,
}

impl Step {
    /// All addresses in the step. `me` is none.
    pub(super) fn addresses(&self) -> Vec<&str> {
        let addresses: Vec<Option<&String>> = match self {
            Self::Chat(chat) => {
                let line = std::iter::once(chat.line.as_ref());
                line.chain(chat.with.iter().map(Some)).collect()
            }
            Self::Message(message) => {
                let fields = [&message.from, &message.to, &message.about, &message.line];
                let inner = message.mentions().chain(message.poll_creators());
                let fields = fields.map(Option::as_ref).into_iter();
                fields.chain(inner.map(Some)).collect()
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
