//! Rows of chat.db that are not complete yet, or that stand behind one of those. The cursor has
//! passed them, so they are written down in the same transaction.

use rusqlite::{Connection, params};

/// Reason of a row that is complete and stands behind one that is not.
pub const BEHIND: &str = "behind";

/// A row that waits. `since` in microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// `message.ROWID`
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
    /// Why; a [`chatdb::WaitReason`], or [`BEHIND`].
    pub reason: String,
    /// Since when.
    pub since: i64,
}

/// Puts a row into the set, or changes its reason; its beginning stays.
pub fn save(connection: &Connection, waiting: &Waiting) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into waiting (message_rowid, guid, reason, since) values (?1, ?2, ?3, ?4)
             on conflict (message_rowid) do update set reason = excluded.reason
             where waiting.reason <> excluded.reason",
        )?
        .execute(params![
            waiting.rowid,
            waiting.guid,
            waiting.reason,
            waiting.since
        ])?;
    Ok(())
}

/// Lets rows that began to wait after `now` begin now: the clock was ahead and was set right, and what
/// waits for a span would wait until the wrong time comes round.
pub fn begin_no_later_than(connection: &Connection, now: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("update waiting set since = ?1 where since > ?1")?
        .execute([now])
}

/// Takes a row out of the set.
pub fn remove(connection: &Connection, rowid: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("delete from waiting where message_rowid = ?1")?
        .execute([rowid])?;
    Ok(())
}

/// Empties the set: the ROWIDs of a replaced file mean nothing any more.
pub fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("delete from waiting", [])?;
    Ok(())
}

/// The rows that wait, in the order of insertion.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    let mut statement = connection.prepare_cached(
        "select message_rowid, guid, reason, since from waiting order by message_rowid",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Waiting {
            rowid: row.get(0)?,
            guid: row.get(1)?,
            reason: row.get(2)?,
            since: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// How many rows wait.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("select count(*) from waiting")?
        .query_row([], |row| row.get(0))
}
