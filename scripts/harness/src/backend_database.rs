//! Reads the messages that a running backend has stored, and the replies that it has made, from its `SQLite` file.

use std::path::Path;

use anyhow::Context;
use rusqlite::{Connection, OpenFlags};

/// A message in the backend's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// The ROWID in the backend's table, which gives the order of storing.
    pub rowid: i64,
    /// `message.guid` of chat.db.
    pub guid: String,
    /// The event name, such as `message` or `tapback`.
    pub event: String,
    /// The text of the message; empty for many events.
    pub text: String,
    /// The guid of the chat in chat.db.
    pub chat: String,
    /// The sender's address.
    pub sender: String,
    /// The column `meta_data`: attachments, tapback, mentions and the like, as received. Null if empty.
    pub details: serde_json::Value,
}

/// A bubble of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyBubble {
    /// The text.
    pub text: String,
    /// The guid of the chat in chat.db.
    pub chat: String,
    /// `pending`, or the state that the relay has acked.
    pub state: String,
    /// `message.guid` of the bubble's row in chat.db.
    pub guid: Option<String>,
}

/// A read-only connection to a backend's `SQLite` file.
#[derive(Debug)]
pub struct BackendDatabase {
    connection: Connection,
    /// `pragma data_version` of the last read, which changes with each commit of the backend.
    data_version: i64,
    /// The ROWID of the last message that was read.
    last_rowid: i64,
}

impl BackendDatabase {
    /// Opens the database read-only. The backend must have created it.
    pub fn open(database: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("cannot look into {}", database.display()))?;
        Ok(Self {
            connection,
            // No version is negative, so the first call of `take_new` reads.
            data_version: -1,
            last_rowid: 0,
        })
    }

    /// The messages stored since the last call. Runs no query if the backend has committed nothing.
    pub fn take_new(&mut self) -> anyhow::Result<Vec<StoredMessage>> {
        let data_version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        if data_version == self.data_version {
            return Ok(Vec::new());
        }
        self.data_version = data_version;
        let new = self.messages_after(self.last_rowid)?;
        self.last_rowid = new.last().map_or(self.last_rowid, |message| message.rowid);
        Ok(new)
    }

    /// The bubbles of all replies so far, in the order in which they were made.
    pub fn reply_bubbles(&self) -> anyhow::Result<Vec<ReplyBubble>> {
        let mut statement = self.connection.prepare_cached(
            "select m.text, c.chat_guid, b.state, b.message_guid
             from command_bubbles b
             join messages m on m.id = b.message_id
             join conversations c on c.id = m.conversation_id
             order by m.rowid",
        )?;
        let bubbles = statement.query_map([], |row| {
            Ok(ReplyBubble {
                text: row.get(0)?,
                chat: row.get(1)?,
                state: row.get(2)?,
                guid: row.get(3)?,
            })
        })?;
        Ok(bubbles.collect::<rusqlite::Result<_>>()?)
    }

    /// The number of unanswered messages.
    pub fn unanswered(&self) -> anyhow::Result<u64> {
        let count: i64 =
            self.connection
                .query_row("select count(*) from unanswered_messages", [], |row| {
                    row.get(0)
                })?;
        Ok(count.unsigned_abs())
    }

    /// All stored messages in the order of storing.
    pub fn all(&self) -> anyhow::Result<Vec<StoredMessage>> {
        self.messages_after(0)
    }

    /// The number of stored messages.
    pub fn count(&self) -> anyhow::Result<u64> {
        let count: i64 = self.connection.query_row(
            "select count(*) from messages where role <> 'assistant'",
            [],
            |row| row.get(0),
        )?;
        Ok(count.unsigned_abs())
    }

    /// The messages whose ROWID is greater than `rowid`, in the order of storing.
    fn messages_after(&self, rowid: i64) -> anyhow::Result<Vec<StoredMessage>> {
        let mut statement = self.connection.prepare_cached(
            "select m.rowid, coalesce(m.message_guid, ''), m.event, m.text, c.chat_guid,
                    coalesce(m.sender, ''),
                    coalesce(m.meta_data, 'null')
             from messages m join conversations c on c.id = m.conversation_id
             where m.rowid > ?1 and m.role <> 'assistant' order by m.rowid",
        )?;
        let messages = statement.query_map([rowid], |row| {
            Ok(StoredMessage {
                rowid: row.get(0)?,
                guid: row.get(1)?,
                event: row.get(2)?,
                text: row.get(3)?,
                chat: row.get(4)?,
                sender: row.get(5)?,
                details: serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_default(),
            })
        })?;
        Ok(messages.collect::<rusqlite::Result<_>>()?)
    }
}
