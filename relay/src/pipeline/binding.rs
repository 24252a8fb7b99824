//! A message keeps the conversation in which it was first told, whatever chats its row is joined to
//! later.
//!
//! Messages joins a row to another chat now and then: a group's message to the direct chat of its
//! sender, for one. An edit of it would be told there, and a group's words answered in private. So the
//! chat of the first telling is written down with the message, and before a change is composed, the
//! row is put back into that chat.

use std::rc::Rc;

use chatdb::{Chat, ChatDb, ChatStyle, ReadError, Row, lane};
use rusqlite::Connection;
use shared_protocol::{Message, Mode};

use crate::state::outbox;
use crate::state::seen::{self, BoundChat};

/// Where a message was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ToldIn {
    /// In this chat.
    Chat(BoundChat),
    /// In this lane: it was told before chats were written down.
    Lane(String),
    /// Nowhere yet, or too long ago.
    Unknown,
}

/// Where the message of `guid` was told.
pub(super) fn told_in(state: &Connection, guid: &str) -> rusqlite::Result<ToldIn> {
    if let Some(chat) = seen::bound_chat(state, guid)? {
        return Ok(ToldIn::Chat(chat));
    }
    Ok(outbox::lane_of(state, guid)?.map_or(ToldIn::Unknown, ToldIn::Lane))
}

/// Puts `row` back into the chat that its message was told in.
pub(super) fn put_back(db: &ChatDb, row: &mut Row, told_in: &ToldIn) -> Result<(), ReadError> {
    let is_bound = |chat: &Chat| match told_in {
        ToldIn::Chat(bound) => chat.wire_guid() == bound.chat_guid,
        ToldIn::Lane(told) => lane(&chat.wire_guid()) == told,
        ToldIn::Unknown => true,
    };
    if row.chat.as_deref().is_some_and(is_bound) {
        return Ok(());
    }
    let joined = db.chats_of(row.rowid)?;
    if let Some(chat) = joined.iter().find(|chat| is_bound(chat)) {
        row.chat = Some(Rc::clone(chat));
        return Ok(());
    }
    let ToldIn::Chat(bound) = told_in else {
        return Ok(());
    };
    // A rebuilt chat.db may name the conversation by another service.
    let same_lane = |chat: &Chat| lane(&chat.wire_guid()) == lane(&bound.chat_guid);
    row.chat = match joined.iter().find(|chat| same_lane(chat)) {
        Some(chat) => Some(Rc::clone(chat)),
        None => match db.chat(&bound.chat_guid)? {
            Some(chat) => Some(chat),
            None => Some(Rc::new(remembered(bound, row))),
        },
    };
    Ok(())
}

/// Names the chat that the message was first told in, as it was named then.
pub(super) fn rename(message: &mut Message, bound: Option<&BoundChat>) {
    if let Some(bound) = bound {
        message.chat_guid.clone_from(&bound.chat_guid);
        message.mode = bound.mode;
    }
}

/// The chat that `message` names.
pub(super) fn chat_of(message: &Message) -> BoundChat {
    BoundChat {
        chat_guid: message.chat_guid.clone(),
        mode: message.mode,
    }
}

fn remembered(bound: &BoundChat, row: &Row) -> Chat {
    let style = match bound.mode {
        Mode::Direct => ChatStyle::Direct,
        Mode::Group => ChatStyle::Group,
    };
    let participants = match bound.mode {
        Mode::Direct => Vec::new(),
        Mode::Group => row.handle.iter().cloned().collect(),
    };
    Chat::remembered(bound.chat_guid.clone(), style, participants)
}
