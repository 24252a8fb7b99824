//! The chats that a row is joined to, and the one that counts.

use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::Row as Columns;

use super::{Chat, ChatDb, chat, value};
use crate::ReadError;

/// Chats that were read before, by ROWID: thousands of messages share a few.
pub(super) type Chats = HashMap<i64, Rc<Chat>>;

impl ChatDb {
    /// Every chat that claims the row at `rowid`, the one that counts first: a group before a direct
    /// chat, lest a group's message be answered in private; among several the lowest, a choice that
    /// never changes. Of a row in "Recently Deleted" the chats that it lay in: it did come in.
    pub fn chats_of(&self, rowid: i64) -> Result<Vec<Rc<Chat>>, ReadError> {
        self.snapshot(|| {
            let mut known = Chats::new();
            let joined = self.chats_by(&self.queries.chats, rowid, usize::MAX, &mut known)?;
            match &self.queries.chats_of_deleted {
                Some(query) if joined.is_empty() => {
                    self.chats_by(query, rowid, usize::MAX, &mut known)
                }
                _ => Ok(joined),
            }
        })
    }

    /// The chat with `guid`.
    pub fn chat(&self, guid: &str) -> Result<Option<Rc<Chat>>, ReadError> {
        self.snapshot(|| {
            let mut statement = self.connection.prepare_cached(&self.queries.chat_by_guid)?;
            let mut rows = statement.query([guid])?;
            match rows.next()? {
                Some(row) => self.read_chat(row, &mut Chats::new()),
                None => Ok(None),
            }
        })
    }

    /// The chat that counts for a row; see [`chats_of`](Self::chats_of).
    pub(super) fn chat_of(
        &self,
        message: i64,
        known: &mut Chats,
    ) -> rusqlite::Result<Option<Rc<Chat>>> {
        let mut joined = self.chats_by(&self.queries.chats, message, 1, known)?;
        if joined.is_empty()
            && let Some(query) = &self.queries.chats_of_deleted
        {
            joined = self.chats_by(query, message, 1, known)?;
        }
        Ok(joined.pop())
    }

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

    fn read_chat(
        &self,
        row: &Columns<'_>,
        known: &mut Chats,
    ) -> rusqlite::Result<Option<Rc<Chat>>> {
        let rowid: i64 = row.get(0)?;
        if let Some(chat) = known.get(&rowid) {
            return Ok(Some(Rc::clone(chat)));
        }
        let Some(mut chat) = chat::read(row)? else {
            return Ok(None);
        };
        let mut statement = self.connection.prepare_cached(self.queries.participants)?;
        let mut handles = statement.query([rowid])?;
        while let Some(row) = handles.next()? {
            if let Some(handle) = value::address(row, 0)?
                && !chat.participants.contains(&handle)
            {
                chat.participants.push(handle);
            }
        }
        let chat = Rc::new(chat);
        known.insert(rowid, Rc::clone(&chat));
        Ok(Some(chat))
    }
}
