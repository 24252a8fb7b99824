//! Messages that may be old ones brought back by iCloud, held until the owner decides, and rows that the
//! relay panicked over.

use rusqlite::{Connection, OptionalExtension, Row, params};

/// Why a row is held that the relay panicked over.
pub const PANICKED: &str = "relay_panicked";

/// A message that is held. Times in microseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct Held {
    /// Number by which the owner names it.
    pub id: i64,
    /// `message.guid`
    pub guid: String,
    /// The lane that it would take.
    pub lane: String,
    /// When it was sent.
    pub sent_at: i64,
    /// Why it is held.
    pub reason: String,
    /// The wire message as it would have been posted; empty if the relay panicked over the row.
    pub body: Vec<u8>,
    /// Since when it is held.
    pub held_at: i64,
}

impl std::fmt::Debug for Held {
    /// Without the body, which is a person's message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("id", &self.id)
            .field("guid", &self.guid)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "id, message_guid, lane, sent_at, reason, body, held_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        id: row.get(0)?,
        guid: row.get(1)?,
        lane: row.get(2)?,
        sent_at: row.get(3)?,
        reason: row.get(4)?,
        body: row.get(5)?,
        held_at: row.get(6)?,
    })
}

/// Holds a message; one that is held already stays as it is. `held.id` is ignored.
pub fn hold(connection: &Connection, held: &Held) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into quarantine (message_guid, lane, sent_at, reason, body, held_at)
             values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (message_guid) do nothing",
        )?
        .execute(params![
            held.guid,
            held.lane,
            held.sent_at,
            held.reason,
            held.body,
            held.held_at
        ])?;
    Ok(())
}

/// The text changed while it was held.
pub fn set_body(connection: &Connection, guid: &str, body: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("update quarantine set body = ?2 where message_guid = ?1")?
        .execute(params![guid, body])?;
    Ok(())
}

/// Everything that is held, oldest first.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Held>> {
    let mut statement =
        connection.prepare_cached(&format!("select {COLUMNS} from quarantine order by id"))?;
    let rows = statement.query_map([], read)?;
    rows.collect()
}

/// Whether a row is held without its message.
pub fn is_empty(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("select 1 from quarantine where id = ?1 and length(body) = 0")?
        .exists([id])
}

/// Takes a message out; none if it is not held.
pub fn take(connection: &Connection, id: i64) -> rusqlite::Result<Option<Held>> {
    connection
        .prepare_cached(&format!(
            "delete from quarantine where id = ?1 returning {COLUMNS}"
        ))?
        .query_row([id], read)
        .optional()
}

/// The highest number ever given, to what is held here and to what filters hold back
/// ([`filtered`](super::filtered)). SQLite keeps it for this table, and the previous release, which
/// knows this table alone, goes on from it.
pub(super) fn last_number(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "select coalesce(max(seq), 0) from sqlite_sequence where name = 'quarantine'",
        )?
        .query_row([], |row| row.get(0))
}

/// Numbers up to `number` are given.
pub(super) fn set_last_number(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    let changed = connection
        .prepare_cached("update sqlite_sequence set seq = ?1 where name = 'quarantine'")?
        .execute([number])?;
    if changed == 0 {
        connection
            .prepare_cached("insert into sqlite_sequence (name, seq) values ('quarantine', ?1)")?
            .execute([number])?;
    }
    Ok(())
}

/// How many are held.
pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("select count(*) from quarantine")?
        .query_row([], |row| row.get(0))
}
