//! Rows that Apple's filters hold back, or that come from a blocked chat.
//!
//! Each stays listed until its mark is lifted, its row is deleted from chat.db, or the owner decides;
//! no limit of time ends that, and the row of `seen` may be forgotten meanwhile. Their numbers and
//! those of [`quarantine`] are one series, since the owner sees one list.

use chatdb::Digest;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::quarantine;

/// Reason of a row that an earlier release skipped, until it is looked at.
const NOT_LOOKED_AT: &str = "filtered";
/// A row that came so much later than it was sent came as an old one. Microseconds.
const FRESH: i64 = 15 * 60 * 1_000_000;

/// A row that is held back. Times in microseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct Filtered {
    /// Number by which the owner names it.
    pub id: i64,
    /// `message.guid`
    pub guid: String,
    /// `message.ROWID` when it was last looked at.
    pub rowid: i64,
    /// `chat.guid` of the chat whose marks count; none until the row was looked at.
    pub chat_guid: Option<String>,
    /// Why it is held back, a [`chatdb::FilterReason`].
    pub reason: String,
    /// When it was sent.
    pub sent_at: i64,
    /// Equal for copies of one message.
    pub twin: Digest,
    /// How it came.
    pub came: Came,
    /// Since when it is held back.
    pub held_since: i64,
    /// The wire message as it would have been posted; none until the row was looked at.
    pub body: Option<Vec<u8>>,
    /// `message.guid` of the link preview that tells the same, if there is one.
    pub told_by: Option<String>,
}

/// Whether a row was new when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It would have been answered.
    New,
    /// It was an old message then: released, it is stored and never answered.
    Old,
}

impl std::fmt::Debug for Filtered {
    /// Without the body, which is a person's message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filtered")
            .field("id", &self.id)
            .field("guid", &self.guid)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "id, message_guid, message_rowid, chat_guid, reason, sent_at, twin, came_old, \
                       held_since, body, told_by";

fn read(row: &Row<'_>) -> rusqlite::Result<Filtered> {
    Ok(Filtered {
        id: row.get(0)?,
        guid: row.get(1)?,
        rowid: row.get(2)?,
        chat_guid: row.get(3)?,
        reason: row.get(4)?,
        sent_at: row.get(5)?,
        twin: Digest(row.get(6)?),
        came: if row.get(7)? { Came::Old } else { Came::New },
        held_since: row.get(8)?,
        body: row.get(9)?,
        told_by: row.get(10)?,
    })
}

/// Lists a row; one that is listed already stays as it is. `row.id` is ignored.
pub fn hold(connection: &Connection, row: &Filtered) -> rusqlite::Result<()> {
    if contains(connection, &row.guid)? {
        return Ok(());
    }
    let id = quarantine::last_number(connection)? + 1;
    quarantine::set_last_number(connection, id)?;
    connection
        .prepare_cached(
            "insert into filtered (id, message_guid, message_rowid, chat_guid, reason, sent_at, twin,
                 came_old, held_since, body, told_by)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id,
            row.guid,
            row.rowid,
            row.chat_guid,
            row.reason,
            row.sent_at,
            row.twin.0,
            row.came == Came::Old,
            row.held_since,
            row.body,
            row.told_by
        ])?;
    Ok(())
}

/// Lists what was skipped and is not listed: an earlier release listed nothing, and skips again while
/// it is put back. Tells how many.
pub fn list_skipped(connection: &Connection) -> rusqlite::Result<usize> {
    let last = quarantine::last_number(connection)?;
    let listed = connection.execute(
        "insert into filtered (id, message_guid, message_rowid, chat_guid, reason, sent_at, twin,
             came_old, held_since, body)
         select ?1 + row_number() over (order by seen_at, message_rowid), guid, message_rowid, null, ?2,
             sent_at, twin, seen_at - sent_at > ?3, seen_at, null
         from seen
         where outcome = 'spam'
             and sent_at >= coalesce((select floor from source where id = 1), sent_at)
             and guid not in (select message_guid from filtered)",
        params![last, NOT_LOOKED_AT, FRESH],
    )?;
    if listed > 0 {
        let listed = i64::try_from(listed).unwrap_or(i64::MAX);
        quarantine::set_last_number(connection, last.saturating_add(listed))?;
    }
    Ok(listed)
}

/// Everything that is held back, in the order of the numbers.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Filtered>> {
    let mut statement =
        connection.prepare_cached(&format!("select {COLUMNS} from filtered order by id"))?;
    let rows = statement.query_map([], read)?;
    rows.collect()
}

/// The row of a number.
pub fn find(connection: &Connection, id: i64) -> rusqlite::Result<Option<Filtered>> {
    connection
        .prepare_cached(&format!("select {COLUMNS} from filtered where id = ?1"))?
        .query_row([id], read)
        .optional()
}

/// What is needed to look at a row again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub id: i64,
    /// `message.guid`
    pub guid: String,
    /// `message.ROWID` when it was last looked at.
    pub rowid: i64,
    /// `chat.guid` of the chat whose marks count.
    pub chat_guid: Option<String>,
    /// Whether it was ever looked at.
    pub has_body: bool,
}

/// Where the row of a number lies.
pub fn place(connection: &Connection, id: i64) -> rusqlite::Result<Option<Place>> {
    connection
        .prepare_cached(
            "select id, message_guid, message_rowid, chat_guid, body is not null from filtered
             where id = ?1",
        )?
        .query_row([id], |row| {
            Ok(Place {
                id: row.get(0)?,
                guid: row.get(1)?,
                rowid: row.get(2)?,
                chat_guid: row.get(3)?,
                has_body: row.get(4)?,
            })
        })
        .optional()
}

/// The number of a guid.
pub fn id_of(connection: &Connection, guid: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("select id from filtered where message_guid = ?1")?
        .query_row([guid], |row| row.get(0))
        .optional()
}

/// Whether the row of a guid is held back.
pub fn contains(connection: &Connection, guid: &str) -> rusqlite::Result<bool> {
    Ok(id_of(connection, guid)?.is_some())
}

/// Takes a row off the list; none if it is not on it.
pub fn take(connection: &Connection, id: i64) -> rusqlite::Result<Option<Filtered>> {
    connection
        .prepare_cached(&format!(
            "delete from filtered where id = ?1 returning {COLUMNS}"
        ))?
        .query_row([id], read)
        .optional()
}

/// Takes the row of a guid off the list, if it is on it.
pub fn remove(connection: &Connection, guid: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("delete from filtered where message_guid = ?1")?
        .execute([guid])?;
    Ok(())
}

/// Where the row lies by now.
pub fn set_rowid(connection: &Connection, guid: &str, rowid: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "update filtered set message_rowid = ?2 where message_guid = ?1 and message_rowid <> ?2",
        )?
        .execute(params![guid, rowid])?;
    Ok(())
}

/// What the row holds by now, and why and by which chat it is held back. Its number and its beginning
/// stay.
pub fn update(connection: &Connection, row: &Filtered) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "update filtered set message_guid = ?2, message_rowid = ?3, chat_guid = ?4, reason = ?5,
                 sent_at = ?6, twin = ?7, body = ?8, told_by = ?9
             where id = ?1",
        )?
        .execute(params![
            row.id,
            row.guid,
            row.rowid,
            row.chat_guid,
            row.reason,
            row.sent_at,
            row.twin.0,
            row.body,
            row.told_by
        ])?;
    Ok(())
}

/// The chats by whose marks rows are held back.
pub fn chats(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select distinct chat_guid from filtered where chat_guid is not null order by chat_guid",
    )?;
    let chats = statement.query_map([], |row| row.get(0))?;
    chats.collect()
}

/// Numbers of the rows of one chat, or of those whose chat is not known yet.
pub fn of_chat(connection: &Connection, chat_guid: Option<&str>) -> rusqlite::Result<Vec<i64>> {
    let mut statement =
        connection.prepare_cached("select id from filtered where chat_guid is ?1 order by id")?;
    let ids = statement.query_map([chat_guid], |row| row.get(0))?;
    ids.collect()
}

/// Up to `limit` numbers above `after`, in order.
pub fn ids_after(connection: &Connection, after: i64, limit: u32) -> rusqlite::Result<Vec<i64>> {
    let mut statement =
        connection.prepare_cached("select id from filtered where id > ?1 order by id limit ?2")?;
    let ids = statement.query_map(params![after, limit], |row| row.get(0))?;
    ids.collect()
}

/// How many are held back.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("select count(*) from filtered")?
        .query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests;
