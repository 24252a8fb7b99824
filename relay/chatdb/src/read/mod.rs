//! The open database and its queries.

mod attachment;
mod body;
mod chat;
mod message;
mod summary;
mod value;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use crate::dates::{index_bounds, seconds_limit};
use crate::schema::Schema;
use crate::{Digest, OpenError, ReadError};

pub use attachment::AttachmentRow;
pub use body::{Body, BodyRun};
pub use chat::{Chat, ChatStyle};
pub use message::Row;
pub use summary::Summary;

const SQLITE_HEADER: &[u8; 16] = b"SQLite format 3\0";
/// A reader of a WAL database waits only for recovery and schema changes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A row's guid and digest: what the re-scan of recent rows compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `message.ROWID`
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
    /// Digest over the columns that change.
    pub digest: Digest,
}

/// Messages' database, open for reading.
///
/// Opened `mode=ro` and never `immutable`, which would hide everything that is still in the WAL.
/// Every method finishes its statements before it returns: a read transaction left open would keep
/// Messages from truncating the WAL.
#[derive(Debug)]
pub struct ChatDb {
    connection: Connection,
    path: PathBuf,
    queries: Queries,
}

#[derive(Debug)]
struct Queries {
    rows_after: String,
    row_at: String,
    marks: String,
    preceding: String,
    chats: String,
    participants: String,
    attachments: Option<String>,
    attachment_by_guid: Option<String>,
}

impl ChatDb {
    /// Opens the database at `path` and probes its schema.
    ///
    /// The first 16 bytes are read before `SQLite` is asked, since without Full Disk Access some
    /// versions of macOS show an empty file instead of refusing. That look must stay before the
    /// connection exists: closing any descriptor of a file drops this process's locks on it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        probe_header(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |error| OpenError::from_sqlite(path, error);
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(16);
        let schema = Schema::probe(&connection).map_err(failed)?;
        if let Some(table) = schema.missing_table() {
            return Err(OpenError::NotMessages {
                path: path.to_owned(),
                table,
            });
        }
        let queries = Queries::build(&schema);
        Ok(Self {
            connection,
            path: path.to_owned(),
            queries,
        })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number that changes with every commit of another process.
    ///
    /// Read it *before* reading rows: a commit in between then costs a second look, not a message.
    pub fn data_version(&self) -> Result<i64, ReadError> {
        let mut statement = self.connection.prepare_cached("pragma data_version")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// The highest ROWID ever given to a message; within one file it never falls.
    pub fn sequence(&self) -> Result<i64, ReadError> {
        let recorded: Option<i64> = self
            .connection
            .prepare_cached("select seq from sqlite_sequence where name = 'message'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let highest: Option<i64> = self
            .connection
            .prepare_cached("select max(ROWID) from message")?
            .query_row([], |row| row.get(0))?;
        Ok(recorded.unwrap_or(0).max(highest.unwrap_or(0)))
    }

    /// The guid of the row at `rowid`.
    pub fn guid_at(&self, rowid: i64) -> Result<Option<String>, ReadError> {
        let mut statement = self
            .connection
            .prepare_cached("select guid from message where ROWID = ?1")?;
        Ok(statement
            .query_row([rowid], |row| value::text(row, 0))
            .optional()?
            .flatten())
    }

    /// The ROWID of the row with `guid`.
    pub fn rowid_of(&self, guid: &str) -> Result<Option<i64>, ReadError> {
        let mut statement = self
            .connection
            .prepare_cached("select ROWID from message where guid = ?1")?;
        Ok(statement.query_row([guid], |row| row.get(0)).optional()?)
    }

    /// Up to `limit` rows with a ROWID above `cursor`, in insertion order, from one snapshot.
    pub fn rows_after(&self, cursor: i64, limit: u32) -> Result<Vec<Row>, ReadError> {
        self.snapshot(|| self.collect(&self.queries.rows_after, params![cursor, limit]))
    }

    /// The row at `rowid`, if it still exists.
    pub fn row(&self, rowid: i64) -> Result<Option<Row>, ReadError> {
        Ok(self
            .snapshot(|| self.collect(&self.queries.row_at, params![rowid]))?
            .pop())
    }

    /// Digests of the rows sent at or after `since` (microseconds since 1970) up to `cursor`, found
    /// through the date index.
    pub fn marks_since(&self, since: i64, cursor: i64) -> Result<Vec<Mark>, ReadError> {
        let (nanos, seconds) = index_bounds(since);
        let mut statement = self.connection.prepare_cached(&self.queries.marks)?;
        let mut rows = statement.query(params![nanos, seconds, seconds_limit(), cursor])?;
        let mut marks = Vec::new();
        while let Some(row) = rows.next()? {
            let Some(guid) = value::text(row, 1)? else {
                continue;
            };
            marks.push(Mark {
                rowid: row.get(0)?,
                guid,
                digest: message::digest(row, 2)?,
            });
        }
        Ok(marks)
    }

    /// ROWIDs of rows sent at or after `since` (microseconds since 1970), in insertion order.
    pub fn rowids_since(&self, since: i64) -> Result<Vec<i64>, ReadError> {
        let (nanos, seconds) = index_bounds(since);
        let mut statement = self.connection.prepare_cached(
            "select ROWID from message where date >= ?1
             union all
             select ROWID from message where date >= ?2 and date < ?3
             order by 1",
        )?;
        let rowids =
            statement.query_map(params![nanos, seconds, seconds_limit()], |row| row.get(0))?;
        Ok(rowids.collect::<rusqlite::Result<_>>()?)
    }

    /// Runs several reads against one state of the database. `begin` takes no lock before the first
    /// read, and the transaction ends before this returns, whatever happened.
    fn snapshot<T>(&self, read: impl FnOnce() -> rusqlite::Result<T>) -> Result<T, ReadError> {
        let transaction = self.connection.unchecked_transaction()?;
        let result = read();
        drop(transaction);
        Ok(result?)
    }

    fn collect(&self, query: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(query)?;
        let mut raw = statement.query(params)?;
        let mut rows = Vec::new();
        while let Some(columns) = raw.next()? {
            rows.extend(message::read(columns)?);
        }
        drop(raw);
        // A chat is read once a batch: thousands of messages share a few chats.
        let mut chats: HashMap<i64, Rc<Chat>> = HashMap::new();
        for row in &mut rows {
            row.chat = self.chat_of(row.rowid, &mut chats)?;
            row.attachments = self.attachments_of(row)?;
            row.is_link_preview = row.is_link_balloon() && self.previews_earlier_row(row)?;
        }
        Ok(rows)
    }

    /// Whether `row` is the preview that Messages adds 0.8 to 2 s after a link's text. Every preview
    /// takes one text: a link sent again as a single row is not a preview of the first one's text.
    fn previews_earlier_row(&self, row: &Row) -> rusqlite::Result<bool> {
        const WITHIN_MICROS: i64 = 10_000_000;
        let Some(chat) = &row.chat else {
            return Ok(false);
        };
        let link = row.visible_text();
        let mut statement = self.connection.prepare_cached(&self.queries.preceding)?;
        let mut columns = statement.query(params![chat.rowid, row.rowid, row.rowid - 200])?;
        let mut unmatched_previews = 0;
        while let Some(columns) = columns.next()? {
            let Some(earlier) = message::read(columns)? else {
                continue;
            };
            let near = row
                .sent_at
                .zip(earlier.sent_at)
                .is_some_and(|(a, b)| (a - b).abs() <= WITHIN_MICROS);
            let same_sender = earlier.handle == row.handle && earlier.is_from_me == row.is_from_me;
            let text = earlier.visible_text();
            if !near || !same_sender || link.trim().is_empty() || !text.contains(link.trim()) {
                continue;
            }
            if earlier.is_link_balloon() {
                unmatched_previews += 1;
            } else if unmatched_previews == 0 {
                return Ok(true);
            } else {
                unmatched_previews -= 1;
            }
        }
        Ok(false)
    }

    fn chat_of(
        &self,
        message: i64,
        known: &mut HashMap<i64, Rc<Chat>>,
    ) -> rusqlite::Result<Option<Rc<Chat>>> {
        let mut statement = self.connection.prepare_cached(&self.queries.chats)?;
        let mut rows = statement.query([message])?;
        // A message can be joined to several chats; the lowest is the choice that never changes.
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let rowid: i64 = row.get(0)?;
        if let Some(chat) = known.get(&rowid) {
            return Ok(Some(Rc::clone(chat)));
        }
        let Some(mut chat) = chat::read(row)? else {
            return Ok(None);
        };
        let mut statement = self.connection.prepare_cached(&self.queries.participants)?;
        let mut handles = statement.query([rowid])?;
        while let Some(row) = handles.next()? {
            if let Some(handle) = value::text(row, 0)?
                && !chat.participants.contains(&handle)
            {
                chat.participants.push(handle);
            }
        }
        let chat = Rc::new(chat);
        known.insert(rowid, Rc::clone(&chat));
        Ok(Some(chat))
    }

    fn attachments_of(&self, row: &Row) -> rusqlite::Result<Vec<AttachmentRow>> {
        let (Some(joined), Some(by_guid)) =
            (&self.queries.attachments, &self.queries.attachment_by_guid)
        else {
            return Ok(Vec::new());
        };
        let mut found: Vec<AttachmentRow> = Vec::new();
        if row.has_attachments {
            let mut statement = self.connection.prepare_cached(joined)?;
            let mut rows = statement.query([row.rowid])?;
            while let Some(row) = rows.next()? {
                found.extend(attachment::read(row)?);
            }
        }
        // Some versions name an attachment in the text only, without a join row.
        for guid in row.body.attachment_guids() {
            if found.iter().any(|attachment| attachment.guid == guid) {
                continue;
            }
            let mut statement = self.connection.prepare_cached(by_guid)?;
            let mut rows = statement.query([guid])?;
            if let Some(row) = rows.next()? {
                found.extend(attachment::read(row)?);
            }
        }
        Ok(found)
    }
}

impl Queries {
    fn build(schema: &Schema) -> Self {
        let columns = message::select_list(schema);
        let marks = message::digest_list(schema);
        let from = "from message m left join handle h on h.ROWID = m.handle_id";
        let other = match schema.column("message", "m", "other_handle").as_str() {
            "null" => "null".to_owned(),
            column => format!("(select o.id from handle o where o.ROWID = {column})"),
        };
        let select = format!("select {columns}, {other}, {marks} {from}");
        let joins = if schema.has_table("chat_recoverable_message_join") {
            // "Recently Deleted" moves the join row; the message did come in.
            "(select chat_id from chat_message_join where message_id = ?1
              union select chat_id from chat_recoverable_message_join where message_id = ?1)"
        } else {
            "(select chat_id from chat_message_join where message_id = ?1)"
        };
        let chat = chat::select_list(schema);
        let attachment = attachment::select_list(schema);
        let attachments =
            schema.has_table("attachment") && schema.has_table("message_attachment_join");
        Self {
            rows_after: format!("{select} where m.ROWID > ?1 order by m.ROWID limit ?2"),
            row_at: format!("{select} where m.ROWID = ?1"),
            preceding: format!(
                "{select} where m.ROWID in (
                     select message_id from chat_message_join
                     where chat_id = ?1 and message_id < ?2 and message_id > ?3)
                 order by m.ROWID desc limit 20"
            ),
            marks: format!(
                "select m.ROWID, m.guid, {marks} from message m where m.date >= ?1 and m.ROWID <= ?4
                 union all
                 select m.ROWID, m.guid, {marks} from message m
                 where m.date >= ?2 and m.date < ?3 and m.ROWID <= ?4"
            ),
            chats: format!("select {chat} from chat c where c.ROWID in {joins} order by c.ROWID limit 1"),
            participants: if schema.has_table("chat_handle_join") {
                "select h.id from chat_handle_join j join handle h on h.ROWID = j.handle_id
                 where j.chat_id = ?1 order by h.ROWID"
                    .to_owned()
            } else {
                "select null where ?1 is null".to_owned()
            },
            attachments: attachments.then(|| {
                format!(
                    "select {attachment} from message_attachment_join j
                     join attachment a on a.ROWID = j.attachment_id where j.message_id = ?1 order by a.ROWID"
                )
            }),
            attachment_by_guid: attachments
                .then(|| format!("select {attachment} from attachment a where a.guid = ?1")),
        }
    }
}

fn probe_header(path: &Path) -> Result<(), OpenError> {
    let mut header = [0; 16];
    let mut file = File::open(path).map_err(|error| OpenError::from_io(path, &error))?;
    match file.read_exact(&mut header) {
        Ok(()) if &header == SQLITE_HEADER => Ok(()),
        Ok(()) => Err(OpenError::NotADatabase {
            path: path.to_owned(),
            detail: "the header is not SQLite's".to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            // macOS shows an empty file to a program without Full Disk Access.
            Err(OpenError::NoPermission(path.to_owned()))
        }
        Err(error) => Err(OpenError::from_io(path, &error)),
    }
}
