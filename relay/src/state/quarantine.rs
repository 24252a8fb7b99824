//! Messages that are held until the owner decides about them: those that iCloud may have inserted again
//! long after they were sent, and rows over which the relay panicked.

use rusqlite::{Connection, Row, params};
use shared_protocol::{Forget, conversation_guid};

use super::query;

/// Reason of a row over which the relay panicked.
pub const PANICKED: &str = "relay_panicked";

/// A held message. Times in microseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldMessage {
    /// Number by which the owner names the message.
    pub id: i64,
    /// `message.guid`
    pub guid: String,
    /// The lane of the outbox that the message would take.
    pub lane: String,
    pub sent_at: i64,
    /// Why the message is held.
    pub reason: String,
    /// The wire message as it would have been posted; empty if the relay panicked over the row.
    pub body: Vec<u8>,
    /// Since when the message is held.
    pub held_at: i64,
}

impl std::fmt::Debug for HeldMessage {
    /// Without the body, which is a person's message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldMessage")
            .field("id", &self.id)
            .field("guid", &self.guid)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "id, message_guid, lane, sent_at, reason, body, held_at";

fn read(row: &Row<'_>) -> rusqlite::Result<HeldMessage> {
    Ok(HeldMessage {
        id: row.get(0)?,
        guid: row.get(1)?,
        lane: row.get(2)?,
        sent_at: row.get(3)?,
        reason: row.get(4)?,
        body: row.get(5)?,
        held_at: row.get(6)?,
    })
}

/// Holds a message. A message that is held already stays as it is. `held.id` is ignored.
pub fn hold(connection: &Connection, held: &HeldMessage) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "insert into quarantine (message_guid, lane, sent_at, reason, body, held_at)
         values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (message_guid) do nothing",
        params![
            held.guid,
            held.lane,
            held.sent_at,
            held.reason,
            held.body,
            held.held_at
        ],
    )
}

/// Replaces the body of a held message whose row has changed in chat.db.
pub fn set_body(connection: &Connection, guid: &str, body: &[u8]) -> rusqlite::Result<()> {
    let sql = "update quarantine set body = ?2 where message_guid = ?1";
    query::execute(connection, sql, params![guid, body])
}

/// Every held message, oldest first.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<HeldMessage>> {
    let sql = format!("select {COLUMNS} from quarantine order by id");
    query::all(connection, &sql, [], read)
}

/// Whether the held message with the number `id` has no body, because the relay panicked over its row.
pub fn is_empty(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    let sql = "select 1 from quarantine where id = ?1 and length(body) = 0";
    connection.prepare_cached(sql)?.exists([id])
}

/// Takes a message out; `None` if it is not held.
pub fn take(connection: &Connection, id: i64) -> rusqlite::Result<Option<HeldMessage>> {
    let sql = format!("delete from quarantine where id = ?1 returning {COLUMNS}");
    query::first(connection, &sql, [id], read)
}

/// Removes the messages of a deleted person.
pub fn forget(tx: &Connection, forget: &Forget) -> rusqlite::Result<()> {
    for guid in &forget.chat_guids {
        let sql = "delete from quarantine where lane = ?1";
        query::execute(tx, sql, [conversation_guid(guid)])?;
    }
    for guid in &forget.message_guids {
        let sql = "delete from quarantine where message_guid = ?1";
        query::execute(tx, sql, [guid])?;
    }
    Ok(())
}

/// The highest number ever given to a message here or in [`filtered`](super::filtered). SQLite keeps the number for
/// the table `quarantine`. The previous release knows this table alone and counts on from the same number.
pub(super) fn last_number(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "select seq from sqlite_sequence where name = 'quarantine'";
    Ok(query::first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}

/// Makes `number` the highest number ever given.
pub(super) fn set_last_number(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    let sql = "update sqlite_sequence set seq = ?1 where name = 'quarantine'";
    if query::change(connection, sql, [number])? == 0 {
        let sql = "insert into sqlite_sequence (name, seq) values ('quarantine', ?1)";
        query::execute(connection, sql, [number])?;
    }
    Ok(())
}

pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    query::count(connection, "select count(*) from quarantine")
}
