//! The open database and its queries.

mod anchor;
mod attachment;
mod body;
mod chat;
mod chat_lookup;
mod conversation;
mod filters;
mod keyed_archive;
mod known_poll;
mod message;
mod open;
mod own_messages;
mod payload;
mod plist;
mod queries;
mod relation;
mod row_digest;
mod sent;
mod sent_flags;
mod summary;
mod transcript;
mod value;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, Params, Row as SqlRow, params};

use crate::dates::{index_bounds, seconds_limit};
use crate::files::Files;
use crate::{OpenError, ReadError};
use chat_lookup::ChatLookup;
use conversation::Chats;
use queries::Queries;
use relation::EditNotices;

pub use attachment::AttachmentRow;
pub use body::{Body, BodyRun};
pub use chat::{Chat, ChatStyle};
pub use filters::{ChatMarks, FilterMarks, FilterReason};
pub use message::Row;
pub(crate) use message::target;
pub use own_messages::SearchedChats;
pub use payload::{AppCard, KnownPoll, Payload, Poll, PollOption, RichLink, Vote};
pub use row_digest::RowDigest;
pub use sent::SentRow;
pub use sent_flags::SentFlags;
pub use summary::Summary;

/// Messages' database, open for reading.
///
/// The database is opened with `mode=ro` and not with `immutable`, which would hide all rows that are
/// still in the WAL. Every method finishes its statements before it returns, since an open read
/// transaction would keep Messages from truncating the WAL.
#[derive(Debug)]
pub struct ChatDb {
    connection: Connection,
    files: Files,
    queries: Queries,
    /// What was last read of the table `chat_lookup`.
    chat_lookup: RefCell<Option<Rc<ChatLookup>>>,
    /// The edit notices that were read since the last commit of another process.
    edit_notices: RefCell<EditNotices>,
}

impl ChatDb {
    /// Opens the database at `path` and probes its schema.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        // The ids of the files are read before SQLite opens them, so that the watcher notices if one is
        // replaced in between.
        let files = Files::at(path);
        let (connection, schema) = open::open(path)?;
        Ok(Self {
            connection,
            files,
            queries: Queries::build(&schema),
            chat_lookup: RefCell::default(),
            edit_notices: RefCell::default(),
        })
    }

    /// The files to which this connection is bound, as they were just before it was opened.
    pub(crate) fn files(&self) -> Files {
        self.files
    }

    /// A number that changes with every commit of another process.
    ///
    /// Read the number *before* reading rows. A commit in between then makes the caller read once more,
    /// and no message is missed.
    pub fn data_version(&self) -> Result<i64, ReadError> {
        let mut statement = self.connection.prepare_cached("pragma data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// The highest ROWID that a message ever had in this file.
    pub fn sequence(&self) -> Result<i64, ReadError> {
        let highest = |query| self.first(query, [], |row| row.get::<_, Option<i64>>(0));
        let ever_given = highest("select max(seq) from sqlite_sequence where name = 'message'")?;
        let stored = highest("select max(ROWID) from message")?;
        Ok(ever_given.max(stored).flatten().unwrap_or(0).max(0))
    }

    /// The guid of the row at `rowid`, if the row exists.
    pub fn guid_at(&self, rowid: i64) -> Result<Option<String>, ReadError> {
        let query = "select guid from message where ROWID = ?1";
        Ok(self
            .first(query, [rowid], |row| value::text(row, 0))?
            .flatten())
    }

    /// The ROWID of the row with `guid`, if the row exists.
    pub fn rowid_of(&self, guid: &str) -> Result<Option<i64>, ReadError> {
        let query = "select ROWID from message where guid = ?1";
        Ok(self.first(query, [guid], |row| row.get(0))?)
    }

    /// Up to `limit` rows with a ROWID above `cursor`, in insertion order, from one snapshot.
    pub fn rows_after(&self, cursor: i64, limit: u32) -> Result<Vec<Row>, ReadError> {
        self.snapshot(|| self.read_rows(&self.queries.rows_after, params![cursor, limit]))
    }

    /// The row at `rowid`, if it still exists.
    pub fn row(&self, rowid: i64) -> Result<Option<Row>, ReadError> {
        Ok(self
            .snapshot(|| self.read_rows(&self.queries.row_at, params![rowid]))?
            .pop())
    }

    /// Whether the row at `rowid` is joined to a chat. This is cheaper than reading the row.
    pub fn is_joined(&self, rowid: i64) -> Result<bool, ReadError> {
        Ok(self.exists(relation::queries::LIES_IN_ANY_CHAT, [rowid])?)
    }

    /// ROWIDs of rows sent at or after `since` (microseconds since 1970), in insertion order.
    pub fn rowids_since(&self, since: i64) -> Result<Vec<i64>, ReadError> {
        let (nanos, seconds) = index_bounds(since);
        let params = [nanos, seconds, seconds_limit()];
        let mut rowids = self.rowids(self.queries.rowids_since, params)?;
        rowids.sort_unstable();
        Ok(rowids)
    }

    /// Runs several reads on one state of the database. `begin` takes no lock before the first read,
    /// and the transaction ends before this returns, also after an error.
    fn snapshot<T>(&self, read: impl FnOnce() -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let transaction = self.connection.unchecked_transaction()?;
        let result = read();
        drop(transaction);
        Ok(result?)
    }

    /// Reads each row that a query returns with `read`.
    fn select<T>(
        &self,
        query: &str,
        params: impl Params,
        read: impl FnMut(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut statement = self.connection.prepare_cached(query)?;
        statement.query_map(params, read)?.collect()
    }

    /// Reads the first row that a query returns with `read`.
    fn first<T>(
        &self,
        query: &str,
        params: impl Params,
        read: impl FnOnce(&SqlRow<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut statement = self.connection.prepare_cached(query)?;
        statement.query_row(params, read).optional()
    }

    fn rowids(&self, query: &str, params: impl Params) -> rusqlite::Result<Vec<i64>> {
        self.select(query, params, |row| row.get(0))
    }

    /// Whether a query returns any row.
    fn exists(&self, query: &str, params: impl Params) -> rusqlite::Result<bool> {
        self.connection.prepare_cached(query)?.exists(params)
    }

    /// The rows that a query returns, with chat, attachments, poll and relation. A row over which the reader panics is
    /// marked as unreadable.
    fn read_rows(&self, query: &str, params: impl Params) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut raw = statement.query(params)?;
        let mut rows = Vec::new();
        while let Some(columns) = raw.next()? {
            let row = catch_panic(|| message::read(columns));
            rows.extend(row.unwrap_or_else(|| message::read_identity(columns))?);
        }
        drop(raw);
        if !rows.is_empty() {
            let mut statement = self.connection.prepare_cached("pragma data_version")?;
            let version = statement.query_row([], |row| row.get(0))?;
            self.edit_notices.borrow_mut().clear_if_changed(version);
        }
        let mut chats = Chats::default();
        for row in &mut rows {
            match catch_panic(|| self.complete_row(row, &mut chats)) {
                Some(completed) => completed?,
                None => row.is_unreadable = true,
            }
        }
        Ok(rows)
    }

    /// Adds to `row` what is in other rows and tables. `chats` are the chats that were read so far.
    fn complete_row(&self, row: &mut Row, chats: &mut Chats) -> rusqlite::Result<()> {
        row.chat = self.chat_of(row.rowid, chats)?;
        #[cfg(test)]
        tests::panic_if_chosen(row.rowid, "complete");
        row.attachments = self.attachments_of(row)?;
        row.poll = self.poll_of(row)?;
        self.relate(row)
    }

    /// The attachments that are joined to `row`, then those that only its text names.
    fn attachments_of(&self, row: &Row) -> rusqlite::Result<Vec<AttachmentRow>> {
        let (Some(joined), Some(by_guid)) =
            (&self.queries.attachments, &self.queries.attachment_by_guid)
        else {
            return Ok(Vec::new());
        };
        let mut found: Vec<AttachmentRow> = Vec::new();
        if row.has_attachments {
            let files = self.select(joined, [row.rowid], attachment::read)?;
            found.extend(files.into_iter().flatten());
        }
        // Some versions name an attachment in the text only, without a join row.
        for guid in row.body.attachment_guids() {
            if found.iter().any(|attachment| attachment.guid == guid) {
                continue;
            }
            found.extend(self.first(by_guid, [guid], attachment::read)?.flatten());
        }
        Ok(found)
    }
}

/// Runs `read`; `None` if it panics, so that one row does not stop the others.
fn catch_panic<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use messages_stand_in::{Chat, ChatDb as StandIn, Date, NewMessage, Style};

    use super::*;

    thread_local! {
        /// The ROWID and the step of reading at which this thread panics.
        static PANICS_AT: Cell<Option<(i64, &'static str)>> = const { Cell::new(None) };
    }

    /// Panics if a test has set `PANICS_AT` to this row and step.
    pub(super) fn panic_if_chosen(rowid: i64, step: &'static str) {
        assert_ne!(PANICS_AT.get(), Some((rowid, step)), "the panic of a test");
    }

    #[test]
    fn a_row_that_panics_does_not_stop_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chat.db");
        let mut messages = StandIn::create(path.clone(), Style::Ventura).expect("a chat.db");
        let chat = messages
            .insert_chat(&Chat::direct("+15550100001"))
            .expect("a chat");
        let ann = messages
            .ensure_handle("+15550100001", "iMessage")
            .expect("a handle");
        let at = Date::from_unix_micros(1_790_000_000_000_000);
        let rows: Vec<i64> = ["one", "two", "three"]
            .map(|text| {
                let message = NewMessage::incoming(ann, at).text(text);
                messages.deliver(chat, &message).expect("a row")
            })
            .into();
        let db = ChatDb::open(&path).expect("open");
        let intact = db.rows_after(0, 10).expect("read");
        for step in ["read", "complete"] {
            PANICS_AT.set(Some((rows[1], step)));
            let read = db.rows_after(0, 10).expect("read");
            PANICS_AT.set(None);
            let unreadable: Vec<bool> = read.iter().map(|row| row.is_unreadable).collect();
            assert_eq!(unreadable, [false, true, false], "{step}");
            assert_eq!((read[1].rowid, &read[1].guid), (rows[1], &intact[1].guid));
            assert_eq!(read[1].sent_at, intact[1].sent_at);
            assert_eq!(read[2].visible_text(), "three");
            assert!(read[2].chat.is_some());
        }
    }
}
