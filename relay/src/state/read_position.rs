//! The position up to which chat.db was read, and the rows by which the file is recognised.

use rusqlite::{Connection, params};

use super::{meta, query};

/// The one row of the table `source`, with the rows of the table `anchor`. Times in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPosition {
    /// Every message row up to this ROWID is accounted for.
    pub cursor: i64,
    /// The highest ROWID that chat.db had ever given to a message when it was last read.
    pub sequence: i64,
    /// Messages sent before this are recorded and never posted.
    pub floor: i64,
    /// When chat.db was last read without an error.
    pub last_good_scan_at: i64,
    /// Whether this relay, whose state is new, still waits for the backend to name the newest message that it
    /// has of the relay.
    pub resume_pending: bool,
    /// The rows by which the file is recognised, newest first.
    pub anchors: Vec<Anchor>,
}

/// A row by which the file is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// `message.ROWID`
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
}

/// The position; `None` before the first run has decided from which message on it reads.
pub fn load(connection: &Connection) -> rusqlite::Result<Option<ReadPosition>> {
    let anchors = anchors(connection)?;
    query::first(
        connection,
        "select cursor, sequence, floor, last_good_scan_at, resume_pending from source where id = 1",
        [],
        |row| {
            Ok(ReadPosition {
                cursor: row.get(0)?,
                sequence: row.get(1)?,
                floor: row.get(2)?,
                last_good_scan_at: row.get(3)?,
                resume_pending: row.get(4)?,
                anchors,
            })
        },
    )
}

/// Writes everything but the anchors.
pub fn save(connection: &Connection, position: &ReadPosition) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "insert into source (id, cursor, sequence, floor, last_good_scan_at, resume_pending)
         values (1, ?1, ?2, ?3, ?4, ?5)
         on conflict (id) do update set cursor = excluded.cursor, sequence = excluded.sequence,
             floor = excluded.floor, last_good_scan_at = excluded.last_good_scan_at,
             resume_pending = excluded.resume_pending",
        params![
            position.cursor,
            position.sequence,
            position.floor,
            position.last_good_scan_at,
            position.resume_pending
        ],
    )
}

fn anchors(connection: &Connection) -> rusqlite::Result<Vec<Anchor>> {
    query::all(
        connection,
        "select message_rowid, guid from anchor order by message_rowid desc",
        [],
        |row| {
            Ok(Anchor {
                rowid: row.get(0)?,
                guid: row.get(1)?,
            })
        },
    )
}

/// Replaces the anchors.
pub fn set_anchors(connection: &Connection, anchors: &[Anchor]) -> rusqlite::Result<()> {
    query::execute(connection, "delete from anchor", [])?;
    let sql = "insert or replace into anchor (message_rowid, guid) values (?1, ?2)";
    for anchor in anchors {
        query::execute(connection, sql, params![anchor.rowid, anchor.guid])?;
    }
    Ok(())
}

/// Names the chat.db to whose rows the cursor refers, among the files that lay at its path so far. ROWIDs of one file
/// say nothing about rows of another.
pub fn chat_db_file(connection: &Connection) -> rusqlite::Result<String> {
    Ok(meta::get(connection, meta::CHAT_DB_FILE)?.unwrap_or_else(|| FIRST_FILE.to_owned()))
}

/// Records that another file lies at the path of chat.db, which was first read at `began_at`, microseconds since
/// 1970; returns its name.
pub fn begin_chat_db_file(tx: &Connection, began_at: i64) -> rusqlite::Result<String> {
    let name = began_at.to_string();
    meta::set(tx, meta::CHAT_DB_FILE, &name)?;
    Ok(name)
}

/// The name of the file that lay at the path at first.
const FIRST_FILE: &str = "first";
