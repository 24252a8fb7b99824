//! The owner's side of the outbox: looking at it, trying a post again, dropping one.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row, params};
use serde::Serialize;

use super::sending::bump_generation;
use crate::clock::UnixMicros;

/// How far a post has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PostState {
    /// It waits for the sender or for its next attempt.
    Pending,
    /// The backend refused it for good.
    Parked,
    /// The backend has it.
    Delivered,
    /// The owner gave it up.
    Dropped,
}

impl PostState {
    /// The state as it stands in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
        }
    }
}

impl FromSql for PostState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "pending" => Ok(Self::Pending),
            "parked" => Ok(Self::Parked),
            "delivered" => Ok(Self::Delivered),
            "dropped" => Ok(Self::Dropped),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

/// One post as the owner sees it: no lane, no text, no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the outbox; names it in commands.
    pub seq: i64,
    /// How far it has come.
    pub state: PostState,
    /// `message.guid` of chat.db.
    pub message_guid: String,
    /// What happened to the message.
    pub event: String,
    /// Which revision of it.
    pub revision: u32,
    /// The id under which it is signed.
    pub webhook_id: String,
    /// Attempts so far.
    pub attempts: u32,
    /// Not before this instant.
    pub next_attempt_at: UnixMicros,
    /// Code of the last failure.
    pub last_error: Option<String>,
    /// The backend's id of it.
    pub message_id: Option<String>,
    /// When it was enqueued.
    pub created_at: UnixMicros,
    /// When the backend had it, or the owner dropped it.
    pub delivered_at: Option<UnixMicros>,
}

const COLUMNS: &str = "seq, state, message_guid, event, revision, webhook_id, attempts, \
                       next_attempt_at, last_error, message_id, created_at, delivered_at";

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        seq: row.get(0)?,
        state: row.get(1)?,
        message_guid: row.get(2)?,
        event: row.get(3)?,
        revision: row.get(4)?,
        webhook_id: row.get(5)?,
        attempts: row.get(6)?,
        next_attempt_at: row.get(7)?,
        last_error: row.get(8)?,
        message_id: row.get(9)?,
        created_at: row.get(10)?,
        delivered_at: row.get(11)?,
    })
}

/// The oldest `limit` posts in `state`.
pub fn list(connection: &Connection, state: PostState, limit: u32) -> rusqlite::Result<Vec<Entry>> {
    // The state stands in the text, so that SQLite can use the partial index of that state.
    let sql = format!(
        "select {COLUMNS} from outbox where state = '{}' order by seq limit ?1",
        state.as_str()
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([limit], entry)?;
    rows.collect()
}

/// Everything that was ever posted about one message, oldest first.
pub fn of_guid(connection: &Connection, message_guid: &str) -> rusqlite::Result<Vec<Entry>> {
    let sql = format!("select {COLUMNS} from outbox where message_guid = ?1 order by seq");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([message_guid], entry)?;
    rows.collect()
}

/// Has a pending or parked post tried at once. False if `seq` is neither.
pub fn retry(tx: &Connection, seq: i64) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "update outbox set state = 'pending', next_attempt_at = 0, parked_version = null
         where seq = ?1 and state in ('pending', 'parked')",
        [seq],
    )?;
    if changed > 0 {
        bump_generation(tx)?;
    }
    Ok(changed > 0)
}

/// Gives a pending or parked post up; it is never sent again. False if `seq` is neither.
pub fn drop_post(tx: &Connection, seq: i64, now: UnixMicros) -> rusqlite::Result<bool> {
    let changed = tx.execute(
        "update outbox set state = 'dropped', body = null, delivered_at = ?2
         where seq = ?1 and state in ('pending', 'parked')",
        params![seq, now],
    )?;
    if changed > 0 {
        bump_generation(tx)?;
    }
    Ok(changed > 0)
}

/// How many posts wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Depths {
    /// Waiting for the sender or for the next attempt.
    pub pending: u64,
    /// Refused by the backend for good.
    pub parked: u64,
}

/// Counts what waits. Both counts run over small partial indexes.
pub fn depths(connection: &Connection) -> rusqlite::Result<Depths> {
    let count = |sql: &str| -> rusqlite::Result<u64> {
        let found: i64 = connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        Ok(u64::try_from(found).unwrap_or(0))
    };
    Ok(Depths {
        pending: count("select count(*) from outbox where state = 'pending'")?,
        parked: count("select count(*) from outbox where state = 'parked'")?,
    })
}
