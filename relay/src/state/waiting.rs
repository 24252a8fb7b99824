//! Rows of chat.db that are incomplete, or that wait for an earlier, incomplete row of their chat. The cursor
//! has passed these rows, so they are written down in the transaction that moves the cursor.

use rusqlite::{Connection, params};

use super::query;

/// Reason of a complete row that waits for an earlier, incomplete row of its chat.
pub const BEHIND_INCOMPLETE_ROW: &str = "behind";
/// Reason of a row that may become the row of an open bubble of the ledger.
pub const MAY_BE_OWN_SEND: &str = "may_be_own_send";

/// A row that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// `message.ROWID`
    pub rowid: i64,
    /// `message.guid`
    pub guid: String,
    /// A [`chatdb::WaitReason`], [`BEHIND_INCOMPLETE_ROW`] or [`MAY_BE_OWN_SEND`].
    pub reason: String,
    /// When the row began to wait, in microseconds since 1970.
    pub since: i64,
}

/// Adds a row. A row that waits already gets the new reason and keeps its `since`.
pub fn save(connection: &Connection, waiting: &Waiting) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "insert into waiting (message_rowid, guid, reason, since) values (?1, ?2, ?3, ?4)
         on conflict (message_rowid) do update set reason = excluded.reason
         where waiting.reason <> excluded.reason",
        params![waiting.rowid, waiting.guid, waiting.reason, waiting.since],
    )
}

/// Sets each `since` that is later than `now` to `now`. The clock was ahead when such a row was added and has
/// been set right; otherwise the row would wait until the clock reaches the wrong time.
pub fn begin_no_later_than(connection: &Connection, now: i64) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "update waiting set since = ?1 where since > ?1",
        [now],
    )
}

pub fn remove(connection: &Connection, rowid: i64) -> rusqlite::Result<()> {
    let sql = "delete from waiting where message_rowid = ?1";
    query::execute(connection, sql, [rowid])
}

/// Removes every row. After a replacement of chat.db, ROWIDs of the earlier file do not apply to the new one.
pub fn clear(connection: &Connection) -> rusqlite::Result<()> {
    query::execute(connection, "delete from waiting", [])
}

/// Every waiting row, in the order of ROWIDs.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    query::all(
        connection,
        "select message_rowid, guid, reason, since from waiting order by message_rowid",
        [],
        |row| {
            Ok(Waiting {
                rowid: row.get(0)?,
                guid: row.get(1)?,
                reason: row.get(2)?,
                since: row.get(3)?,
            })
        },
    )
}

pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    query::count(connection, "select count(*) from waiting")
}
