//! The message step: a row, its attachments, and the delays with which parts of it are written.

use serde::{Deserialize, Serialize};

use super::words::Stored;
use super::{
    AppBalloon, Attachment, Attribute, Cell, Columns, Label, Piece, Poll, RichLink, Summary, Vote,
};

/// See [`Step::Message`](super::Step::Message).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MessageStep {
    /// The name of the message in the script.
    pub id: Option<Label>,
    /// The guid. Without it, the guid is derived from the name.
    pub guid: Option<String>,
    /// The chat. Without it, the row is never joined to one.
    pub chat: Option<String>,
    /// Other chats to which the row is joined, too.
    pub also_in: Vec<String>,
    /// The sender, `me` for the owner. Without it, the row has no handle.
    pub from: Option<String>,
    /// The handle of a row from the owner. Without it, the peer in direct chats.
    pub to: Option<String>,
    /// `other_handle`: the person who was added or removed, in a row about a change of a group.
    pub about: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// The text in runs with attributes, in place of `text`.
    pub runs: Vec<Piece>,
    /// The columns in which the text is written.
    pub stored: Stored,
    /// The bytes of `attributedBody`, in place of an archive of the text.
    pub archive: Option<Cell>,
    /// The date, in seconds after the script's start. Without `at` and `date`, the time of writing.
    pub at: Option<f64>,
    /// The date, in Unix nanoseconds.
    pub date: Option<i64>,
    /// The service. Without it, the chat's service.
    pub service: Option<String>,
    /// The own address, if it differs from the script's.
    pub line: Option<String>,
    /// The message that started the thread.
    pub reply_to: Option<Label>,
    /// The effect: `impact`, `CKConfettiEffect`, or a whole style id.
    pub effect: Option<String>,
    /// The balloon's bundle id: links, apps, polls.
    pub app: Option<String>,
    /// The link that the row shows. Without `app`, the balloon is that of links.
    pub link: Option<RichLink>,
    /// The poll that the row creates, or to which it adds a choice.
    pub poll: Option<Poll>,
    /// The sender's choices in a poll.
    pub vote: Option<Vote>,
    /// The texts in the balloon of the app named by `app`.
    pub balloon: Option<AppBalloon>,
    /// The attachments.
    pub attachments: Vec<Attachment>,
    /// Edits and unsends that happened before the row is written.
    pub summary: Option<Summary>,
    /// Delay of the join to the chat.
    pub join_after_ms: u64,
    /// Delay of the text.
    pub text_after_ms: u64,
    /// Delay of the sender's handle.
    pub sender_after_ms: u64,
    /// Time for which a row of the owner is marked as received.
    pub from_me_after_ms: u64,
    /// Delay of the attachment rows.
    pub attachments_after_ms: u64,
    /// Delay after which the downloads finish. Until then their state is waiting.
    pub finish_after_ms: u64,
    /// Delay of the preview of the link in the text, which is a row of its own.
    pub preview_after_ms: u64,
    /// Values of other columns.
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

    /// The addresses that the step gives as creators of its poll and of the poll's options.
    pub(super) fn poll_creators(&self) -> impl Iterator<Item = &String> {
        let poll = self.poll.iter();
        poll.flat_map(|poll| {
            let options = poll.options.iter();
            poll.creator
                .iter()
                .chain(options.filter_map(|option| option.creator.as_ref()))
        })
    }
}
