//! Posts every change of a message in the chat in which the message was first posted, even if its row is
//! joined to other chats later.
//!
//! Messages sometimes joins a row to another chat: a group's message to the direct chat of its sender, for example.
//! An edit of that message would then be posted to the direct chat, and the words of a group answered in private. So
//! the first chat is written down with the message, and a changed row is put back into it before it is composed.

use std::rc::Rc;

use chatdb::{Chat, ChatDb, ChatStyle, ReadError, Row, lane};
use rusqlite::Connection;
use shared_protocol::{Message, Mode};

use crate::state::outbox;
use crate::state::seen::{self, FirstChat};

/// What the state knows about the chat in which a message was first posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KnownChat {
    Chat(FirstChat),
    /// Only the lane: the message was posted by a release that did not write the chat down.
    Lane(String),
    /// The message was not posted yet, or so long ago that its records were removed.
    Unknown,
}

/// What the state knows about the chat in which the message with this guid was first posted.
pub(super) fn find(state: &Connection, guid: &str) -> rusqlite::Result<KnownChat> {
    if let Some(chat) = seen::first_chat(state, guid)? {
        return Ok(KnownChat::Chat(chat));
    }
    Ok(outbox::lane_of(state, guid)?.map_or(KnownChat::Unknown, KnownChat::Lane))
}

/// Puts `row` back into the chat in which its message was first posted, if that chat is known.
pub(super) fn restore(db: &ChatDb, row: &mut Row, known: &KnownChat) -> Result<(), ReadError> {
    let is_first = |chat: &Chat| match known {
        KnownChat::Chat(first) => chat.wire_guid() == first.chat_guid,
        KnownChat::Lane(first) => lane(&chat.wire_guid()) == first,
        KnownChat::Unknown => true,
    };
    if row.chat.as_deref().is_some_and(is_first) {
        return Ok(());
    }
    let joined = db.chats_of(row.rowid)?;
    if let Some(chat) = joined.iter().find(|chat| is_first(chat)) {
        row.chat = Some(Rc::clone(chat));
        return Ok(());
    }
    let KnownChat::Chat(first) = known else {
        return Ok(());
    };
    // A rebuilt chat.db may name the conversation by another service.
    let same_lane = |chat: &Chat| lane(&chat.wire_guid()) == lane(&first.chat_guid);
    row.chat = match joined.iter().find(|chat| same_lane(chat)) {
        Some(chat) => Some(Rc::clone(chat)),
        None => match db.chat(&first.chat_guid)? {
            Some(chat) => Some(chat),
            None => Some(Rc::new(deleted_chat(first, row))),
        },
    };
    Ok(())
}

/// Writes the chat in which `message` was first posted into it, under the guid that the chat had then.
pub(super) fn write_into(message: &mut Message, first: Option<&FirstChat>) {
    if let Some(first) = first {
        message.chat_guid.clone_from(&first.chat_guid);
        message.mode = first.mode;
    }
}

/// The chat that `message` names.
pub(super) fn of_message(message: &Message) -> FirstChat {
    FirstChat {
        chat_guid: message.chat_guid.clone(),
        mode: message.mode,
    }
}

/// A chat in place of one that chat.db no longer has.
fn deleted_chat(first: &FirstChat, row: &Row) -> Chat {
    let (style, participants) = match first.mode {
        Mode::Direct => (ChatStyle::Direct, Vec::new()),
        Mode::Group => (ChatStyle::Group, row.handle.iter().cloned().collect()),
    };
    Chat::deleted(first.chat_guid.clone(), style, participants)
}
