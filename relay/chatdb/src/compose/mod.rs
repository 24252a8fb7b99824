//! From a row to a message of the wire, or to the reason why not.
//!
//! Pure: the row, the owner's options, how long it has been waited for and the clock go in. Whatever
//! comes out obeys the backend's rules ([`Message::violations`] is empty), because nothing that
//! chat.db can show may be refused for good.

mod address;
mod attachments;
mod balloon;
mod change;
mod kind;
mod size;
mod text;

use std::time::Duration;

use shared_protocol::{
    Edit, Event, MAX_ATTACHMENTS, MAX_PARTICIPANTS, Message, MessageTime, Mode, conversation_guid,
};

use crate::Lines;
use crate::read::{Body, Chat, ChatStyle, FilterReason, Row};
use crate::relation::{Awaited, Relation};
use address::Parties;

pub use change::{Change, Known, compose_change};
pub use size::shorten;

/// How long a row may stay without its handle, its text or its final direction.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a group may stay without members: those of a new one are joined after its first message.
const MEMBERS_PATIENCE: Duration = Duration::from_millis(500);
/// How long a row may stay without the attachments that its text names.
const ATTACHMENT_PATIENCE: Duration = Duration::from_secs(4);
/// How long a row that Messages has not finished may stay without anything to tell. Afterwards it is
/// told as what it is so far: what is added within 24 hours of its date still goes out as a change.
const UNFINISHED_PATIENCE: Duration = Duration::from_hours(12);
/// Bound on the bytes of all mentions together, so that no body outgrows what the backend takes.
const MAX_MENTION_BYTES: usize = 32 * 1024;

/// What the owner wants relayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Relay what Messages files under spam, promotions and transactions, and blocked chats.
    pub relay_spam: bool,
    /// Relay notes that the owner sends to the own address.
    pub relay_note_to_self: bool,
    /// The own addresses, as far as they are known.
    pub lines: Lines,
}

/// What is to become of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// It is complete.
    Post(Box<Message>),
    /// A part of it is still to come; ask again.
    Wait(WaitReason),
    /// It is nothing to post.
    Skip(SkipReason),
}

/// What a row still lacks. Its name in snake case is stored and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum WaitReason {
    /// Its chat. A row without one is never posted: a group's message would be taken for a direct one.
    NoChat,
    /// Its sender, the mark that it is an own message, or the members of its group.
    NoHandle,
    /// Anything to tell: Messages has not finished it.
    NotFinished,
    /// Its text.
    NoText,
    /// Attachments that its text names.
    NoAttachment,
    /// The row that it refers to, or the link that it shows.
    NoReference,
    /// The edit that it seems to tell of.
    NoEdit,
    /// The row that went out or came in, if it is one of the two sides of what the owner sent to an own
    /// address.
    NoOtherSide,
}

/// Why a row is not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// Spam, a hidden category, or a blocked chat.
    Spam,
    /// The owner's note to self.
    NoteToSelf,
    /// The preview row of a link whose text was posted.
    LinkPreview,
    /// The row that tells older devices of an edit.
    EditNotice,
    /// An own message that Messages will send later.
    Scheduled,
    /// A row of the system without content.
    System,
}

/// Composes the message of `row`, which has been waited for since `waited`; `now` in microseconds
/// since 1970 stands in for a date that is missing.
pub fn compose(row: &Row, options: &Options, waited: Duration, now: i64) -> Reading {
    let Some(chat) = row.chat.as_deref() else {
        return Reading::Wait(WaitReason::NoChat);
    };
    let parties = Parties::of(row, chat, &options.lines);
    if let Some(reason) = skip_reason(row, chat, options, &parties) {
        return Reading::Skip(reason);
    }
    // An owner's row waits for its other side only if notes to self are skipped.
    let may_be_skipped = !(parties.from_owner && options.relay_note_to_self);
    if let Some(awaited) = row.awaits
        && (awaited != Awaited::OtherSide || may_be_skipped)
        && waited < PATIENCE
    {
        return Reading::Wait(match awaited {
            Awaited::Reference | Awaited::Link => WaitReason::NoReference,
            Awaited::Edit => WaitReason::NoEdit,
            Awaited::OtherSide => WaitReason::NoOtherSide,
        });
    }
    match row.relation {
        Relation::LinkPreview(_) => return Reading::Skip(SkipReason::LinkPreview),
        Relation::EditNotice(_) => return Reading::Skip(SkipReason::EditNotice),
        Relation::None | Relation::LinkOf(_) | Relation::TextOfLink(_) | Relation::Reaction(_) => {}
    }
    // An own message shows up as incoming without a handle first and flips some 400 ms later; posted
    // at once it would be answered.
    if !row.is_from_me && row.handle.is_none() && row.item_type == 0 && waited < PATIENCE {
        return Reading::Wait(WaitReason::NoHandle);
    }
    if chat.style == ChatStyle::Group
        && chat.participants.is_empty()
        && row.item_type == 0
        && waited < MEMBERS_PATIENCE
    {
        return Reading::Wait(WaitReason::NoHandle);
    }
    let message = build(row, chat, parties, now);
    if row.is_unfinished && waited < UNFINISHED_PATIENCE && has_nothing_yet(row, &message) {
        return Reading::Wait(WaitReason::NotFinished);
    }
    if message.event == Event::Message {
        let waiting = message
            .attachments
            .iter()
            .any(|a| !row.attachments.iter().any(|r| r.guid == a.guid));
        let expected = waiting || (row.has_attachments && row.attachments.is_empty());
        if expected && waited < ATTACHMENT_PATIENCE {
            return Reading::Wait(WaitReason::NoAttachment);
        }
        if message.text.is_empty() && message.attachments.is_empty() {
            if waited < PATIENCE {
                return Reading::Wait(WaitReason::NoText);
            }
            return Reading::Post(Box::new(without_content(row, message)));
        }
    }
    Reading::Post(Box::new(message))
}

/// Whether a message, or what an app sends, has neither words nor files. What cannot be read is there.
fn has_nothing_yet(row: &Row, message: &Message) -> bool {
    let may_be_filled = match message.event {
        Event::Message => message.text.trim().is_empty(),
        Event::Other => row.item_type == 0 && row.balloon.is_some(),
        _ => false,
    };
    let is_empty = kind::is_bare(row) && message.attachments.is_empty();
    may_be_filled && is_empty && row.body != Body::Unreadable
}

impl Row {
    /// Its guid as a message names it on the wire.
    pub fn wire_guid(&self) -> String {
        address::guid(&self.guid)
    }
}

impl Chat {
    /// Its guid as a message names it on the wire.
    pub fn wire_guid(&self) -> String {
        address::chat_guid(self)
    }
}

/// The lane of a chat: messages of one lane are posted in order.
pub fn lane(chat_guid: &str) -> &str {
    conversation_guid(chat_guid)
}

fn skip_reason(row: &Row, chat: &Chat, options: &Options, parties: &Parties) -> Option<SkipReason> {
    if row.is_from_me && is_still_scheduled(row) {
        return Some(SkipReason::Scheduled);
    }
    if !parties.from_owner && !options.relay_spam && FilterReason::of(row, chat).is_some() {
        return Some(SkipReason::Spam);
    }
    if !options.relay_note_to_self && parties.is_note_to_self {
        return Some(SkipReason::NoteToSelf);
    }
    let empty = row.visible_text().trim().is_empty() && row.attachments.is_empty();
    (row.is_system && row.item_type == 0 && empty && row.body != Body::Unreadable)
        .then_some(SkipReason::System)
}

/// Send Later: 1 pending, 2 sent, 3 failed, 4 seen. Its usual type is 2, whose state may be written
/// after the row; another type counts as long as its state says so.
fn is_still_scheduled(row: &Row) -> bool {
    match row.schedule_type {
        0 => false,
        2 => !matches!(row.schedule_state, 2 | 4),
        _ => matches!(row.schedule_state, 1 | 3),
    }
}

/// The message of a row, whether or not everything has arrived.
fn build(row: &Row, chat: &Chat, parties: Parties, now: i64) -> Message {
    let kind = kind::of(row);
    let mode = match chat.style {
        ChatStyle::Direct => Mode::Direct,
        ChatStyle::Group => Mode::Group,
    };
    let (text, truncated) = text::clipped(kind.text);
    let mut message = Message::new(
        chat.wire_guid(),
        mode,
        parties.sender,
        text,
        MessageTime::from_micros(row.sent_at.unwrap_or(now)),
        address::participants(chat),
    );
    message.message_guid = Some(row.wire_guid());
    message.event = kind.event;
    message.revision = u32::from(kind.event != Event::Message);
    message.from_owner = parties.from_owner;
    message.line = parties.line;
    message.service = row.service.as_deref().map(text::name);
    if let Relation::LinkOf(text) = &row.relation {
        message.link_of_guid = Some(address::guid(text));
    }
    message.reply_to_guid = kind.reply_to.as_deref().map(address::guid);
    message.tapback = kind.tapback;
    message.edit = edit_of(row);
    message.reply_to_part = kind.reply_to_part;
    // What was taken back before it was read is not told any more.
    if message.event != Event::Unsend {
        message.attachments = attachments::of(row);
    }
    message.mentions = mentions(row);
    message.group_name = group_name(chat);
    message.effect = row.effect.as_deref().map(text::name);
    message.truncated = truncated;
    message
}

/// A row whose content never came, or cannot be read: it is told as such, so that it is not lost, and
/// a text that comes later goes out as an edit of revision 0.
fn without_content(row: &Row, mut message: Message) -> Message {
    message.event = Event::Other;
    message.revision = 1;
    if row.body == Body::Unreadable {
        "[a message that cannot be read on this Mac]".clone_into(&mut message.text);
    }
    message
}

fn edit_of(row: &Row) -> Option<Edit> {
    let changed = row.summary.history_length > 0 || !row.summary.unsent_parts.is_empty();
    changed.then(|| Edit {
        edited_at: row.edited_at.map(MessageTime::from_micros),
        history_length: row.summary.history_length,
        unsent_parts: row
            .summary
            .unsent_parts
            .iter()
            .copied()
            .take(MAX_ATTACHMENTS)
            .collect(),
        fully_unsent: kind::is_fully_unsent(row),
    })
}

/// The name that its members gave a group.
fn group_name(chat: &Chat) -> Option<String> {
    let name = chat.display_name.as_deref().map(str::trim);
    let name = name.filter(|name| !name.is_empty() && chat.style == ChatStyle::Group);
    name.map(text::name)
}

/// The people whom the text mentions, each once, in the order of the text.
fn mentions(row: &Row) -> Vec<String> {
    let mut bytes = 0;
    let mut mentions: Vec<String> = Vec::new();
    let addresses = row
        .body
        .runs()
        .iter()
        .filter_map(|run| run.mention.as_deref());
    for address in addresses.filter_map(address::handle) {
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
