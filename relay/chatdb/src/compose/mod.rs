//! Turns a row into the message to post, or into the reason why it waits or is not posted.
//!
//! All functions are pure: they take the row, the owner's options, how long the row has waited, and the
//! time. Every composed message obeys the backend's rules ([`Message::violations`] is empty); the
//! backend would refuse a message that breaks one at every attempt.

mod address;
mod attachments;
mod balloon;
mod change;
mod event;
mod size;
mod text;

use std::time::Duration;

use shared_protocol::{
    Edit, Event, MAX_ATTACHMENTS, MAX_PARTICIPANTS, Message, MessageTime, Mode, conversation_guid,
};

use crate::Lines;
use crate::read::{Body, Chat, ChatStyle, FilterReason, Row};
use crate::relation::{Awaited, Relation};
use address::SenderAndLine;

pub use change::{Change, PostedContent, compose_change};
pub use size::shorten;

/// How long a row waits for its handle, for its text, for another row or a link that decides how it is posted
/// ([`Awaited`]), or for Messages to mark it as an own message.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// How long a row waits for the members of its group: Messages writes the members of a new group after
/// the group's first message.
const MAX_WAIT_FOR_MEMBERS: Duration = Duration::from_millis(500);
/// How long a row waits for attachments that its text names, or that it has according to Messages.
const MAX_WAIT_FOR_ATTACHMENTS: Duration = Duration::from_secs(4);
/// How long a row that Messages has not finished waits for any content. After that time the row is
/// posted without content. What Messages adds within 24 hours of the row's date is posted as a change.
const MAX_WAIT_FOR_CONTENT: Duration = Duration::from_hours(12);
/// Bound on the bytes of all mentions together, so that no body exceeds what the backend accepts.
const MAX_MENTION_BYTES: usize = 32 * 1024;

/// The owner's settings about which messages are posted, and the own addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether filtered messages are posted: those that Messages files under spam, promotions and transactions, and
    /// those of blocked chats.
    pub relay_spam: bool,
    /// Whether notes that the owner sends to an own address are posted.
    pub relay_note_to_self: bool,
    /// The own addresses that are known.
    pub lines: Lines,
}

/// The result of composing a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Composed {
    /// The row is complete, or has waited long enough.
    Post(Box<Message>),
    /// A part of the row is still missing; compose it again later.
    Wait(WaitReason),
    /// The row is not to be posted.
    Skip(SkipReason),
}

/// The part that a row lacks. The relay stores the name in snake case and shows it to the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum WaitReason {
    /// The chat. A row without a chat is never posted, since a message to a group would be taken for a
    /// direct message.
    NoChat,
    /// The sender, or Messages' mark that the message is an own one, or the members of the group.
    NoHandle,
    /// Any content: Messages has not finished the row.
    NotFinished,
    /// The text.
    NoText,
    /// Attachments that the text names, or that the row has according to Messages.
    NoAttachment,
    /// The row to which this one refers, or the link that its balloon shows.
    NoReference,
    /// The edit of which this row seems to be the notice.
    NoEdit,
    /// The second row of a message that the owner sent to an own address. Messages writes a sent and a
    /// received row for it.
    NoOtherSide,
}

/// Why a row is not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The row is filtered: spam, a category that Apple hides, or a blocked chat.
    Spam,
    /// The owner's note to self.
    NoteToSelf,
    /// The preview of a link whose text was posted.
    LinkPreview,
    /// The row that shows an edit to older devices.
    EditNotice,
    /// An own message that Messages will send later.
    Scheduled,
    /// A row that Messages itself wrote, without content.
    System,
}

/// Composes the message of `row`, which has waited for `waited`. `now`, in microseconds since 1970,
/// replaces a missing date.
pub fn compose(row: &Row, options: &Options, waited: Duration, now: i64) -> Composed {
    let Some(chat) = row.chat.as_deref() else {
        return Composed::Wait(WaitReason::NoChat);
    };
    let sender_and_line = SenderAndLine::of(row, chat, &options.lines);
    if let Some(reason) = skip_reason(row, chat, options, &sender_and_line) {
        return Composed::Skip(reason);
    }
    // An own row is posted whether or not it is a note to self if the owner wants notes, so it does not wait for
    // the second row that a note has.
    let note_is_posted = sender_and_line.from_owner && options.relay_note_to_self;
    if let Some(awaited) = row.awaits
        && (awaited != Awaited::OtherSide || !note_is_posted)
        && waited < MAX_WAIT
    {
        return Composed::Wait(match awaited {
            Awaited::Reference | Awaited::Link => WaitReason::NoReference,
            Awaited::Edit => WaitReason::NoEdit,
            Awaited::OtherSide => WaitReason::NoOtherSide,
        });
    }
    match row.relation {
        Relation::LinkPreview(_) => return Composed::Skip(SkipReason::LinkPreview),
        Relation::EditNotice(_) => return Composed::Skip(SkipReason::EditNotice),
        Relation::None | Relation::LinkOf(_) | Relation::TextOfLink(_) | Relation::Reaction(_) => {}
    }
    // Messages first writes an own message as a received row without a handle, and corrects the row some
    // 400 ms later. If the row were posted at once, the backend would answer it.
    if !row.is_from_me && row.handle.is_none() && row.item_type == 0 && waited < MAX_WAIT {
        return Composed::Wait(WaitReason::NoHandle);
    }
    if !chat.members_are_known() && row.item_type == 0 && waited < MAX_WAIT_FOR_MEMBERS {
        return Composed::Wait(WaitReason::NoHandle);
    }
    let message = build(row, chat, sender_and_line, now);
    if row.is_unfinished && waited < MAX_WAIT_FOR_CONTENT && has_no_content_yet(row, &message) {
        return Composed::Wait(WaitReason::NotFinished);
    }
    if message.event == Event::Message {
        let names_unjoined = message
            .attachments
            .iter()
            .any(|named| !row.attachments.iter().any(|file| file.guid == named.guid));
        let lacks_attachments =
            names_unjoined || (row.has_attachments && row.attachments.is_empty());
        if lacks_attachments && waited < MAX_WAIT_FOR_ATTACHMENTS {
            return Composed::Wait(WaitReason::NoAttachment);
        }
        if message.text.is_empty() && message.attachments.is_empty() {
            if waited < MAX_WAIT {
                return Composed::Wait(WaitReason::NoText);
            }
            return Composed::Post(Box::new(without_content(row, message)));
        }
    }
    Composed::Post(Box::new(message))
}

/// Whether a row, whose content Messages may still write, has neither words nor files. A body that cannot be decoded
/// counts as content.
fn has_no_content_yet(row: &Row, message: &Message) -> bool {
    let may_get_content = match message.event {
        Event::Message => message.text.trim().is_empty(),
        Event::Other => row.item_type == 0 && row.balloon.is_some(),
        _ => false,
    };
    let is_empty = event::has_no_words(row) && message.attachments.is_empty();
    may_get_content && is_empty && row.body != Body::Unreadable
}

impl Row {
    /// The guid of this row in posted messages.
    pub fn wire_guid(&self) -> String {
        address::guid(&self.guid)
    }
}

impl Chat {
    /// The guid of this chat in posted messages.
    pub fn wire_guid(&self) -> String {
        address::chat_guid(self)
    }
}

/// The name of the lane of a chat: its guid without the service. The relay posts the messages of one lane in order.
pub fn lane(chat_guid: &str) -> &str {
    conversation_guid(chat_guid)
}

/// Why a row is not posted, as far as the row and its chat show without rows near it.
fn skip_reason(
    row: &Row,
    chat: &Chat,
    options: &Options,
    sender_and_line: &SenderAndLine,
) -> Option<SkipReason> {
    if row.is_from_me && is_still_scheduled(row) {
        return Some(SkipReason::Scheduled);
    }
    if !sender_and_line.from_owner && !options.relay_spam && FilterReason::of(row, chat).is_some() {
        return Some(SkipReason::Spam);
    }
    if !options.relay_note_to_self && sender_and_line.is_note_to_self {
        return Some(SkipReason::NoteToSelf);
    }
    let is_empty = row.visible_text().trim().is_empty() && row.attachments.is_empty();
    (row.is_system && row.item_type == 0 && is_empty && row.body != Body::Unreadable)
        .then_some(SkipReason::System)
}

/// Whether a message of Send Later has not been sent yet. `schedule_type` is 0 for all other messages, and usually 2
/// for Send Later. `schedule_state` is 1 pending, 2 sent, 3 failed, 4 seen. Messages may write the state after the
/// row, so with type 2 any state but sent and seen counts as not sent; with another type only 1 and 3 do.
fn is_still_scheduled(row: &Row) -> bool {
    match row.schedule_type {
        0 => false,
        2 => !matches!(row.schedule_state, 2 | 4),
        _ => matches!(row.schedule_state, 1 | 3),
    }
}

/// Composes the message of a row from the content that the row has now.
fn build(row: &Row, chat: &Chat, sender_and_line: SenderAndLine, now: i64) -> Message {
    let fields = event::of(row);
    let mode = match chat.style {
        ChatStyle::Direct => Mode::Direct,
        ChatStyle::Group => Mode::Group,
    };
    let (text, truncated) = text::clipped(fields.text);
    let mut message = Message::new(
        chat.wire_guid(),
        mode,
        sender_and_line.sender,
        text,
        MessageTime::from_micros(row.sent_at.unwrap_or(now)),
        address::participants(chat),
    );
    message.message_guid = Some(row.wire_guid());
    message.event = fields.event;
    message.revision = u32::from(fields.event != Event::Message);
    message.from_owner = sender_and_line.from_owner;
    // What a Focus answers, and what Messages sends at a set time, was not typed just now.
    let is_automatic = row.sent.is_auto_reply || row.schedule_type != 0;
    message.automatic = message.from_owner && is_automatic;
    message.line = sender_and_line.line;
    message.service = row.service.as_deref().map(text::clipped_name);
    if let Relation::LinkOf(text) = &row.relation {
        message.link_of_guid = Some(address::guid(text));
    }
    message.reply_to_guid = fields.reply_to.as_deref().map(address::guid);
    message.tapback = fields.tapback;
    message.edit = edit_of(row);
    message.reply_to_part = fields.reply_to_part;
    // An unsent message is posted without the files that it had.
    if message.event != Event::Unsend {
        message.attachments = attachments::of(row);
    }
    message.mentions = mentions(row);
    message.group_name = group_name(chat);
    message.effect = row.effect.as_deref().map(text::clipped_name);
    message.truncated = truncated;
    message
}

/// The message of a row that got no content in time, or whose content cannot be read. It is posted as
/// an event, so that the row is not lost. A text that Messages writes later is posted as an edit of revision 0.
fn without_content(row: &Row, mut message: Message) -> Message {
    message.event = Event::Other;
    message.revision = 1;
    if row.body == Body::Unreadable {
        "[a message that cannot be read on this Mac]".clone_into(&mut message.text);
    }
    message
}

/// How the message was edited or unsent; `None` if it was neither.
fn edit_of(row: &Row) -> Option<Edit> {
    let was_changed = row.summary.history_length > 0 || !row.summary.unsent_parts.is_empty();
    was_changed.then(|| Edit {
        edited_at: row.edited_at.map(MessageTime::from_micros),
        history_length: row.summary.history_length,
        unsent_parts: row
            .summary
            .unsent_parts
            .iter()
            .copied()
            .take(MAX_ATTACHMENTS)
            .collect(),
        fully_unsent: event::is_fully_unsent(row),
    })
}

/// The name that the members gave the group.
fn group_name(chat: &Chat) -> Option<String> {
    let name = chat.display_name.as_deref().map(str::trim);
    let name = name.filter(|name| !name.is_empty() && chat.style == ChatStyle::Group);
    name.map(text::clipped_name)
}

/// The addresses of the persons whom the text mentions, each once, in the order of the text.
fn mentions(row: &Row) -> Vec<String> {
    let mut bytes = 0;
    let mut mentions: Vec<String> = Vec::new();
    let addresses = row
        .body
        .runs()
        .iter()
        .filter_map(|run| run.mention.as_deref());
    for address in addresses.filter_map(address::normal_form) {
        bytes += address.len();
        if mentions.len() == MAX_PARTICIPANTS || bytes > MAX_MENTION_BYTES {
            break;
        }
        if !mentions.contains(&address) {
            mentions.push(address);
        }
    }
    mentions
}
