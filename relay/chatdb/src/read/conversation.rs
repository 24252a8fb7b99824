//! The chats to which a row is joined, and the choice of one of them.

use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::Row as SqlRow;

use super::chat_lookup::ChatLookup;
use super::{Chat, ChatDb, ChatStyle, chat, value};
use crate::ReadError;

/// The chats that were read so far in one snapshot, since thousands of messages share a few chats.
#[derive(Default)]
pub(super) struct Chats {
    by_rowid: HashMap<i64, Rc<Chat>>,
    /// The contents of the table `chat_lookup`; `None` until the first group is read.
    chat_lookup: Option<Rc<ChatLookup>>,
}

impl ChatDb {
    /// Every chat to which the row at `rowid` is joined; the first is the chat of the posted message.
    /// Groups come before direct chats, so that a message to a group is not answered in a direct chat.
    /// Then the chats are ordered by ROWID, so that the first chat never changes. For a row in "Recently
    /// Deleted" these are the chats from which it was deleted.
    pub fn chats_of(&self, rowid: i64) -> Result<Vec<Rc<Chat>>, ReadError> {
        self.snapshot(|| self.first_chats_of(rowid, usize::MAX, &mut Chats::default()))
    }

    /// The chat with `guid`.
    pub fn chat(&self, guid: &str) -> Result<Option<Rc<Chat>>, ReadError> {
        self.snapshot(|| {
            let read = |row: &SqlRow<'_>| self.read_chat(row, &mut Chats::default());
            let chat = self.first(&self.queries.chat_by_guid, [guid], read)?;
            Ok(chat.flatten())
        })
    }

    /// The first of the [chats of a row](Self::chats_of). `known` are the chats that were read so far.
    pub(super) fn chat_of(
        &self,
        message: i64,
        known: &mut Chats,
    ) -> rusqlite::Result<Option<Rc<Chat>>> {
        Ok(self.first_chats_of(message, 1, known)?.pop())
    }

    /// The first `limit` of the [chats of a row](Self::chats_of).
    fn first_chats_of(
        &self,
        message: i64,
        limit: usize,
        known: &mut Chats,
    ) -> rusqlite::Result<Vec<Rc<Chat>>> {
        let joined = self.chats_by(&self.queries.chats, message, limit, known)?;
        match &self.queries.chats_of_deleted {
            Some(query) if joined.is_empty() => self.chats_by(query, message, limit, known),
            _ => Ok(joined),
        }
    }

    /// The first `limit` chats that `query` returns for the row at ROWID `message`.
    fn chats_by(
        &self,
        query: &str,
        message: i64,
        limit: usize,
        known: &mut Chats,
    ) -> rusqlite::Result<Vec<Rc<Chat>>> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut rows = statement.query([message])?;
        let mut chats = Vec::new();
        while chats.len() < limit
            && let Some(row) = rows.next()?
        {
            chats.extend(self.read_chat(row, known)?);
        }
        Ok(chats)
    }

    /// The chat of an SQL row, with its participants and the other chats of its group; `None` if it has no guid.
    fn read_chat(&self, row: &SqlRow<'_>, known: &mut Chats) -> rusqlite::Result<Option<Rc<Chat>>> {
        let rowid: i64 = row.get("ROWID")?;
        if let Some(chat) = known.by_rowid.get(&rowid) {
            return Ok(Some(Rc::clone(chat)));
        }
        let Some(mut chat) = chat::read(row)? else {
            return Ok(None);
        };
        let read = |row: &SqlRow<'_>| value::address(row, 0);
        let handles = self.select(self.queries.participants, [rowid], read)?;
        for handle in handles.into_iter().flatten() {
            if !chat.participants.contains(&handle) {
                chat.participants.push(handle);
            }
        }
        if let (ChatStyle::Group, Some(identifier)) = (chat.style, &chat.identifier) {
            let chat_lookup = match &mut known.chat_lookup {
                Some(chat_lookup) => chat_lookup,
                unread => unread.insert(self.chat_lookup()?),
            };
            chat.other_chats_of_group = self.other_chats_of_group(identifier, chat_lookup)?;
        }
        let chat = Rc::new(chat);
        known.by_rowid.insert(rowid, Rc::clone(&chat));
        Ok(Some(chat))
    }
}
