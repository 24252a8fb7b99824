//! The message step: a row, what is attached to it, and how late each piece of it arrives.

use serde::{Deserialize, Serialize};

use super::balloon::{BalloonSpec, LinkSpec, OptionSpec, PollSpec, VoteSpec};
use super::words::Stored;
use super::{Cell, Columns, Label, is_default};
use crate::Attribute;

/// See [`Step::Message`](super::Step::Message).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageStep {
    /// Its name in the script.
    #[serde(default, skip_serializing_if = "is_default")]
    pub id: Option<Label>,
    /// Its guid; without it, one that follows from the name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub guid: Option<String>,
    /// The chat; without it, the row is never joined.
    #[serde(default, skip_serializing_if = "is_default")]
    pub chat: Option<String>,
    /// Other chats that hold it too.
    #[serde(default, skip_serializing_if = "is_default")]
    pub also_in: Vec<String>,
    /// The sender, `me` for the owner; without it, the row has no handle.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: Option<String>,
    /// The handle of a row from the owner; without it, the peer in direct chats.
    #[serde(default, skip_serializing_if = "is_default")]
    pub to: Option<String>,
    /// Whom a row without text is about: who was added, who was removed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub about: Option<String>,
    /// The text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text: Option<String>,
    /// The text in runs, where it has attributes; in place of `text`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub runs: Vec<RunSpec>,
    /// Which columns hold the text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stored: Stored,
    /// These bytes as `attributedBody`, whatever the text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub archive: Option<Cell>,
    /// The date, in seconds after the script's start; without it, when it is written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub at: Option<f64>,
    /// The date, in Unix nanoseconds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub date: Option<i64>,
    /// The chat's without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub service: Option<String>,
    /// The own address, if not the script's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub line: Option<String>,
    /// The message that started the thread.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply_to: Option<Label>,
    /// `impact`, `CKConfettiEffect`, or a whole style id.
    #[serde(default, skip_serializing_if = "is_default")]
    pub effect: Option<String>,
    /// The balloon's bundle id: links, apps, polls.
    #[serde(default, skip_serializing_if = "is_default")]
    pub app: Option<String>,
    /// The link that the row shows; `app` is that of links without another.
    #[serde(default, skip_serializing_if = "is_default")]
    pub link: Option<LinkSpec>,
    /// The poll that the row begins, or adds to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub poll: Option<PollSpec>,
    /// What the sender chooses in a poll.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vote: Option<VoteSpec>,
    /// What the app named by `app` shows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub balloon: Option<BalloonSpec>,
    /// The attachments.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attachments: Vec<AttachmentSpec>,
    /// Edits and unsends that lie behind it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub summary: Option<SummarySpec>,
    /// The join row comes that much later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub join_after_ms: u64,
    /// The text comes that much later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub text_after_ms: u64,
    /// The sender is resolved that much later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sender_after_ms: u64,
    /// A row of the owner's is taken for an incoming one that long.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from_me_after_ms: u64,
    /// The attachment rows come that much later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attachments_after_ms: u64,
    /// The downloads finish that much later; until then they wait.
    #[serde(default, skip_serializing_if = "is_default")]
    pub finish_after_ms: u64,
    /// The preview of the link in the text comes as a row of its own that much later.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preview_after_ms: u64,
    /// Anything else.
    #[serde(default, skip_serializing_if = "is_default")]
    pub columns: Columns,
}

impl MessageStep {
    /// The addresses mentioned in the text.
    pub(super) fn mentions(&self) -> impl Iterator<Item = &String> {
        let attributes = self.runs.iter().flat_map(|run| &run.attributes);
        attributes.filter_map(|attribute| match attribute {
            Attribute::Mention(address) => Some(address),
            _ => None,
        })
    }

    /// The addresses of those who made a poll or added to it, besides the sender.
    pub(super) fn poll_creators(&self) -> impl Iterator<Item = &String> {
        let poll = self.poll.iter();
        poll.flat_map(|poll| {
            let added = poll.options.iter().filter_map(|option| match option {
                OptionSpec::Whole { by, .. } => by.as_ref(),
                OptionSpec::Text(_) => None,
            });
            poll.by.iter().chain(added)
        })
    }
}

/// A run of text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// The characters; U+FFFC for an attachment.
    pub text: String,
    /// The part; 0 without it, null for none.
    #[serde(default = "part_zero")]
    pub part: Option<i64>,
    /// The attributes.
    #[serde(default, skip_serializing_if = "is_default")]
    pub attributes: Vec<Attribute>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn part_zero() -> Option<i64> {
    Some(0)
}

/// An attachment row.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentSpec {
    /// `attachment.guid`
    pub guid: String,
    /// `transfer_name`
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// `mime_type`
    #[serde(default, skip_serializing_if = "is_default")]
    pub mime_type: Option<String>,
    /// `uti`
    #[serde(default, skip_serializing_if = "is_default")]
    pub uti: Option<String>,
    /// `total_bytes`
    #[serde(default, skip_serializing_if = "is_default")]
    pub bytes: i64,
    /// `transfer_state`; 5 without it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub state: Option<i64>,
    /// `is_sticker`
    #[serde(default, skip_serializing_if = "is_default")]
    pub sticker: i64,
    /// `hide_attachment`
    #[serde(default, skip_serializing_if = "is_default")]
    pub hidden: i64,
    /// What was said, in `user_info`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transcript: Option<String>,
    /// What a Genmoji or sticker shows, where this macOS has a column for it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "is_default")]
    pub columns: Columns,
}

/// `message_summary_info` of a recorded message.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummarySpec {
    /// Each edited part's versions.
    #[serde(default, skip_serializing_if = "is_default")]
    pub history: Vec<HistorySpec>,
    /// The edited parts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub edited: Vec<i64>,
    /// Each part's number, original location and length.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ranges: Vec<(i64, usize, usize)>,
    /// The parts taken back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unsent: Vec<i64>,
}

/// The versions of one part.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySpec {
    /// The part.
    pub part: i64,
    /// Its versions, the original first.
    pub editions: Vec<EditionSpec>,
}

/// One version of a part.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditionSpec {
    /// Seconds since 2001 as decimal text: JSON numbers don't survive every reader.
    pub secs: String,
    /// The text.
    pub runs: Vec<RunSpec>,
    /// The guid of the row that tells older devices of it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told_by: Option<String>,
}
