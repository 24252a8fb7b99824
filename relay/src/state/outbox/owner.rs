//! The statements of the owner's commands on the outbox: list posts, retry a post, drop a post.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use shared_protocol::{Forget, conversation_guid};
use strum::{EnumString, IntoStaticStr};

use super::super::query;
use super::sending::change_pending;
use crate::clock::UnixMicros;

/// The state of a post, in the table and in JSON written in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PostState {
    /// Waits for the sender or for its next attempt.
    Pending,
    /// Refused by the backend for good.
    Parked,
    /// Stored by the backend.
    Delivered,
    /// Given up by the owner.
    Dropped,
}

impl PostState {
    /// The state in snake case.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl FromSql for PostState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let parsed = value.as_str()?.parse();
        parsed.map_err(|_| FromSqlError::InvalidType)
    }
}

/// A post as the owner's commands show it: without its lane and body, which contain addresses and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxPost {
    /// Number in the outbox, by which commands name the post.
    pub seq: i64,
    pub state: PostState,
    /// `message.guid` of chat.db.
    pub message_guid: String,
    pub event: String,
    pub revision: u32,
    pub webhook_id: String,
    /// Attempts so far, including the one that delivered the post.
    pub attempts: u32,
    pub next_attempt_at: UnixMicros,
    /// Code of the last failure; of a delivered post, its [`DeliveredPost::note`](super::DeliveredPost::note).
    pub last_error: Option<String>,
    /// The backend's id of the stored message.
    pub message_id: Option<String>,
    /// When the post was enqueued.
    pub created_at: UnixMicros,
    /// When the backend's answer came, or when the owner dropped the post.
    pub delivered_at: Option<UnixMicros>,
}

const COLUMNS: &str = "seq, state, message_guid, event, revision, webhook_id, attempts, \
                       next_attempt_at, last_error, message_id, created_at, delivered_at";

fn read_outbox_post(row: &Row<'_>) -> rusqlite::Result<OutboxPost> {
    Ok(OutboxPost {
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
pub fn list(
    connection: &Connection,
    state: PostState,
    limit: u32,
) -> rusqlite::Result<Vec<OutboxPost>> {
    // The state is part of the SQL, so that SQLite can use the partial index of that state.
    let sql = format!(
        "select {COLUMNS} from outbox where state = '{}' order by seq limit ?1",
        state.as_str()
    );
    query::all(connection, &sql, [limit], read_outbox_post)
}

/// Every post about one message, oldest first.
pub fn of_guid(connection: &Connection, message_guid: &str) -> rusqlite::Result<Vec<OutboxPost>> {
    let sql = format!("select {COLUMNS} from outbox where message_guid = ?1 order by seq");
    query::all(connection, &sql, [message_guid], read_outbox_post)
}

/// Makes a pending or parked post due at once. Returns false if `seq` is no such post.
pub fn retry(tx: &Connection, seq: i64) -> rusqlite::Result<bool> {
    let changed = change_pending(
        tx,
        "update outbox set state = 'pending', next_attempt_at = 0, parked_version = null
         where seq = ?1 and state in ('pending', 'parked')",
        [seq],
    )?;
    Ok(changed > 0)
}

/// Drops a pending or parked post, which is then never sent. Returns false if `seq` is no such post.
pub fn drop_post(tx: &Connection, seq: i64, now: UnixMicros) -> rusqlite::Result<bool> {
    let changed = change_pending(
        tx,
        "update outbox set state = 'dropped', body = null, delivered_at = ?2
         where seq = ?1 and state in ('pending', 'parked')",
        params![seq, now],
    )?;
    Ok(changed > 0)
}

/// Drops the parked posts about a deleted person, with their bodies. Posts that are pending are sent: the backend
/// knows which of them it has deleted.
pub fn forget_parked(tx: &Connection, forget: &Forget, now: UnixMicros) -> rusqlite::Result<()> {
    let drop = "update outbox set state = 'dropped', body = null, delivered_at = ?2
                where state = 'parked' and ";
    for guid in &forget.chat_guids {
        let sql = format!("{drop} lane = ?1");
        change_pending(tx, &sql, params![conversation_guid(guid), now])?;
    }
    for guid in &forget.message_guids {
        let sql = format!("{drop} message_guid = ?1");
        change_pending(tx, &sql, params![guid, now])?;
    }
    Ok(())
}

/// How many posts wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Depths {
    /// Waiting for the sender or for the next attempt.
    pub pending: u64,
    /// Refused by the backend for good.
    pub parked: u64,
}

/// Counts the posts that wait. Both counts read small partial indexes.
pub fn depths(connection: &Connection) -> rusqlite::Result<Depths> {
    let pending = "select count(*) from outbox where state = 'pending'";
    let parked = "select count(*) from outbox where state = 'parked'";
    Ok(Depths {
        pending: query::count(connection, pending)?,
        parked: query::count(connection, parked)?,
    })
}
