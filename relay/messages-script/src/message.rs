//! The message step: a row, what is attached to it, and how late each piece of it arrives.

use serde::{Deserialize, Serialize};

use super::words::Stored;
use super::{
    AppBalloon, Attachment, Attribute, Cell, Columns, Label, Piece, Poll, RichLink, Summary, Vote,
};

/// See [`Step::Message`](super::Step::Message).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageStep {
    /// Its name in the script.
    pub id: Option<Label>,
    /// Its guid; without it, one that follows from the name.
    pub guid: Option<String>,
    /// The chat; without it, the row is never joined.
    pub chat: Option<String>,
    /// Other chats that hold it too.
    pub also_in: Vec<String>,
    /// The sender, `me` for the owner; without it, the row has no handle.
    pub from: Option<String>,
    /// The handle of a row from the owner; without it, the peer in direct chats.
    pub to: Option<String>,
    /// Whom a row without text is about: who was added, who was removed.
    pub about: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The text in runs, where it has attributes; in place of `text`.
    pub runs: Vec<Piece>,
    /// Which columns hold the text.
    pub stored: Stored,
    /// These bytes as `attributedBody`, whatever the text.
    pub archive: Option<Cell>,
    /// The date, in seconds after the script's start; without it, when it is written.
    pub at: Option<f64>,
    /// The date, in Unix nanoseconds.
    pub date: Option<i64>,
    /// The chat's without it.
    pub service: Option<String>,
    /// The own address, if not the script's.
    pub line: Option<String>,
    /// The message that started the thread.
    pub reply_to: Option<Label>,
    /// `impact`, `CKConfettiEffect`, or a whole style id.
    pub effect: Option<String>,
    /// The balloon's bundle id: links, apps, polls.
    pub app: Option<String>,
    /// The link that the row shows; `app` is that of links without another.
    pub link: Option<RichLink>,
    /// The poll that the row begins, or adds to.
    pub poll: Option<Poll>,
    /// What the sender chooses in a poll.
    pub vote: Option<Vote>,
    /// What the app named by `app` shows.
    pub balloon: Option<AppBalloon>,
    /// The attachments.
    pub attachments: Vec<Attachment>,
    /// Edits and unsends that lie behind it.
    pub summary: Option<Summary>,
    /// The join row comes that much later.
    pub join_after_ms: u64,
    /// The text comes that much later.
    pub text_after_ms: u64,
    /// The sender is resolved that much later.
    pub sender_after_ms: u64,
    /// A row of the owner's is taken for an incoming one that long.
    pub from_me_after_ms: u64,
    /// The attachment rows come that much later.
    pub attachments_after_ms: u64,
    /// The downloads finish that much later; until then they wait.
    pub finish_after_ms: u64,
    /// The preview of the link in the text comes as a row of its own that much later.
    pub preview_after_ms: u64,
    /// Anything else.
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
            let added = poll.options.iter();
            poll.creator
                .iter()
                .chain(added.filter_map(|option| option.creator.as_ref()))
        })
    }
}
