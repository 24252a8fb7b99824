//! Which chat.db the cursor counts, and how far it has come.

use rusqlite::{Connection, OptionalExtension, params};

/// The one row of `source`. Times in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Every row up to this ROWID is accounted for.
    pub cursor: i64,
    /// Highest ROWID that chat.db had ever given when it was last read.
    pub sequence: i64,
    /// Messages sent before this are recorded, never forwarded.
    pub floor: i64,
    /// When chat.db was last read without an error.
    pub last_good_scan_at: i64,
    /// Whether the backend has yet to say where this relay's messages end.
    pub resume_pending: bool,
}

/// A row by which the file is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// `message.ROWID`
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
}

/// The source, once a first scan was made.
pub fn load(connection: &Connection) -> rusqlite::Result<Option<Source>> {
    connection
        .prepare_cached(
            "select cursor, sequence, floor, last_good_scan_at, resume_pending from source where id = 1",
        )?
        .query_row([], |row| {
            Ok(Source {
                cursor: row.get(0)?,
                sequence: row.get(1)?,
                floor: row.get(2)?,
                last_good_scan_at: row.get(3)?,
                resume_pending: row.get(4)?,
            })
        })
        .optional()
}

/// Writes the source.
pub fn save(connection: &Connection, source: &Source) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into source (id, cursor, sequence, floor, last_good_scan_at, resume_pending)
             values (1, ?1, ?2, ?3, ?4, ?5)
             on conflict (id) do update set cursor = excluded.cursor, sequence = excluded.sequence,
                 floor = excluded.floor, last_good_scan_at = excluded.last_good_scan_at,
                 resume_pending = excluded.resume_pending",
        )?
        .execute(params![
            source.cursor,
            source.sequence,
            source.floor,
            source.last_good_scan_at,
            source.resume_pending
        ])?;
    Ok(())
}

/// The anchors, newest first.
pub fn anchors(connection: &Connection) -> rusqlite::Result<Vec<Anchor>> {
    let mut statement = connection
        .prepare_cached("select message_rowid, guid from anchor order by message_rowid desc")?;
    let anchors = statement.query_map([], |row| {
        Ok(Anchor {
            rowid: row.get(0)?,
            guid: row.get(1)?,
        })
    })?;
    anchors.collect()
}

/// Replaces the anchors.
pub fn set_anchors(connection: &Connection, anchors: &[Anchor]) -> rusqlite::Result<()> {
    connection.execute("delete from anchor", [])?;
    let mut statement = connection
        .prepare_cached("insert or replace into anchor (message_rowid, guid) values (?1, ?2)")?;
    for anchor in anchors {
        statement.execute(params![anchor.rowid, anchor.guid])?;
    }
    Ok(())
}
