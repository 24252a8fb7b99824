//! What the backend has stored, seen from outside.

use std::path::Path;

use anyhow::Context;
use rusqlite::{Connection, OpenFlags};

/// A message in the backend's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// The order in which it was stored.
    pub place: i64,
    /// `message.guid` of chat.db.
    pub guid: String,
    /// What it is.
    pub event: String,
    /// Its text.
    pub text: String,
    /// The conversation that it joined.
    pub chat: String,
    /// Who sent it.
    pub sender: String,
    /// What is kept as it came: attachments, tapback, mentions, the link's text. Null if nothing is.
    pub details: serde_json::Value,
}

/// A look into a backend's `SQLite` file while the backend runs.
#[derive(Debug)]
pub struct Stored {
    connection: Connection,
    version: i64,
    place: i64,
}

impl Stored {
    /// Opens the file of a backend that has been started.
    pub fn open(database: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("cannot look into {}", database.display()))?;
        Ok(Self {
            connection,
            version: -1,
            place: 0,
        })
    }

    /// Messages stored since the last call; costs next to nothing when nothing was committed.
    pub fn take_new(&mut self) -> anyhow::Result<Vec<StoredMessage>> {
        let version = self
            .connection
            .pragma_query_value(None, "data_version", |row| row.get(0))?;
        if version == self.version {
            return Ok(Vec::new());
        }
        self.version = version;
        let new = self.after(self.place)?;
        self.place = new.last().map_or(self.place, |message| message.place);
        Ok(new)
    }

    /// Every stored message, in the order of storing.
    pub fn all(&self) -> anyhow::Result<Vec<StoredMessage>> {
        self.after(0)
    }

    /// How many messages are stored.
    pub fn count(&self) -> anyhow::Result<u64> {
        let count: i64 = self
            .connection
            .query_row("select count(*) from messages", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn after(&self, place: i64) -> anyhow::Result<Vec<StoredMessage>> {
        let mut statement = self.connection.prepare_cached(
            "select m.rowid, coalesce(m.message_guid, ''), m.event, m.text, c.chat_guid,
                    coalesce(m.sender, ''),
                    coalesce(m.meta_data, 'null')
             from messages m join conversations c on c.id = m.conversation_id
             where m.rowid > ?1 order by m.rowid",
        )?;
        let messages = statement.query_map([place], |row| {
            Ok(StoredMessage {
                place: row.get(0)?,
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
