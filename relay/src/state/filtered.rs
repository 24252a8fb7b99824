//! Messages that Apple's filters hold back, or that come from a blocked chat.
//!
//! A message stays listed until the filter or the owner no longer holds it back, its row is deleted from chat.db, or
//! the owner decides about it, however long that takes. Its row of the table `seen` may be removed earlier. These
//! messages and those of [`quarantine`] share one series of numbers, since the owner sees one list.

use std::collections::BTreeSet;

use chatdb::Digest;
use rusqlite::{Connection, Row, params};
use shared_protocol::{Forget, conversation_guid};

use super::{quarantine, query};

/// Written as the reason of a message that an earlier release skipped, until the relay has read its row.
const NOT_READ_YET: &str = "filtered";
/// In microseconds. A message that an earlier release skipped counts as old if its row appeared later than this
/// after it was sent.
const FRESH_FOR: i64 = 15 * 60 * 1_000_000;

/// A message that is held back. Times in microseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct FilteredMessage {
    /// Number by which the owner names the message.
    pub id: i64,
    /// `message.guid`
    pub guid: String,
    /// `message.ROWID` when the row was last read.
    pub rowid: i64,
    /// `chat.guid` of the row's chat, which may itself be filtered or blocked; `None` until the row was read.
    pub chat_guid: Option<String>,
    /// A [`chatdb::FilterReason`].
    pub reason: String,
    pub sent_at: i64,
    /// Equal for copies of one message.
    pub twin_hash: Digest,
    /// Whether the message was an old one when its row appeared. If it is released, the backend stores
    /// it and never answers it.
    pub was_old: bool,
    /// Since when the message is held back.
    pub held_since: i64,
    /// The wire message as it would have been posted; `None` until the row was read.
    pub body: Option<Vec<u8>>,
    /// If the message contains nothing but a link: `message.guid` of the preview of that link, if there is one.
    pub preview_guid: Option<String>,
}

impl std::fmt::Debug for FilteredMessage {
    /// Without the body, which is a person's message.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FilteredMessage")
            .field("id", &self.id)
            .field("guid", &self.guid)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "id, message_guid, message_rowid, chat_guid, reason, sent_at, twin, came_old, \
                       held_since, body, told_by";

fn read(row: &Row<'_>) -> rusqlite::Result<FilteredMessage> {
    Ok(FilteredMessage {
        id: row.get(0)?,
        guid: row.get(1)?,
        rowid: row.get(2)?,
        chat_guid: row.get(3)?,
        reason: row.get(4)?,
        sent_at: row.get(5)?,
        twin_hash: Digest(row.get(6)?),
        was_old: row.get(7)?,
        held_since: row.get(8)?,
        body: row.get(9)?,
        preview_guid: row.get(10)?,
    })
}

/// Lists a message. A message that is listed already stays as it is. `message.id` is ignored.
pub fn hold(connection: &Connection, message: &FilteredMessage) -> rusqlite::Result<()> {
    if contains(connection, &message.guid)? {
        return Ok(());
    }
    let id = quarantine::last_number(connection)? + 1;
    quarantine::set_last_number(connection, id)?;
    query::execute(
        connection,
        "insert into filtered (id, message_guid, message_rowid, chat_guid, reason, sent_at, twin,
             came_old, held_since, body, told_by)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            id,
            message.guid,
            message.rowid,
            message.chat_guid,
            message.reason,
            message.sent_at,
            message.twin_hash.0,
            message.was_old,
            message.held_since,
            message.body,
            message.preview_guid
        ],
    )
}

/// Lists the messages that were skipped as filtered and are not listed. A release from before this list skips
/// such messages, and the owner may run it again after a newer one.
pub fn list_skipped(connection: &Connection) -> rusqlite::Result<()> {
    let last = quarantine::last_number(connection)?;
    let listed = query::change(
        connection,
        "insert into filtered (id, message_guid, message_rowid, chat_guid, reason, sent_at, twin,
             came_old, held_since, body)
         select ?1 + row_number() over (order by seen_at, message_rowid), guid, message_rowid, null, ?2,
             sent_at, twin, seen_at - sent_at > ?3, seen_at, null
         from seen
         where outcome = 'spam'
             and sent_at >= coalesce((select floor from source where id = 1), sent_at)
             and guid not in (select message_guid from filtered)",
        params![last, NOT_READ_YET, FRESH_FOR],
    )?;
    if listed > 0 {
        let listed = i64::try_from(listed).unwrap_or(i64::MAX);
        quarantine::set_last_number(connection, last.saturating_add(listed))?;
    }
    Ok(())
}

/// Every listed message, in the order of the numbers.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<FilteredMessage>> {
    let sql = format!("select {COLUMNS} from filtered order by id");
    query::all(connection, &sql, [], read)
}

/// The message with the number `id`.
pub fn find(connection: &Connection, id: i64) -> rusqlite::Result<Option<FilteredMessage>> {
    let sql = format!("select {COLUMNS} from filtered where id = ?1");
    query::first(connection, &sql, [id], read)
}

/// The part of a [`FilteredMessage`] that is needed to read its row again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilteredRow {
    pub id: i64,
    /// `message.guid`
    pub guid: String,
    /// `message.ROWID` when the row was last read.
    pub rowid: i64,
    /// See [`FilteredMessage::chat_guid`].
    pub chat_guid: Option<String>,
    /// Whether [`FilteredMessage::body`] is there.
    pub has_body: bool,
}

/// The row of the message with the number `id`.
pub fn row(connection: &Connection, id: i64) -> rusqlite::Result<Option<FilteredRow>> {
    query::first(
        connection,
        "select id, message_guid, message_rowid, chat_guid, body is not null from filtered
         where id = ?1",
        [id],
        |row| {
            Ok(FilteredRow {
                id: row.get(0)?,
                guid: row.get(1)?,
                rowid: row.get(2)?,
                chat_guid: row.get(3)?,
                has_body: row.get(4)?,
            })
        },
    )
}

/// The number of the message with this guid.
pub fn id_of(connection: &Connection, guid: &str) -> rusqlite::Result<Option<i64>> {
    let sql = "select id from filtered where message_guid = ?1";
    query::first(connection, sql, [guid], |row| row.get(0))
}

/// Whether the message with this guid is listed.
pub fn contains(connection: &Connection, guid: &str) -> rusqlite::Result<bool> {
    Ok(id_of(connection, guid)?.is_some())
}

/// Whether another number is listed with the same twin hash as `message`.
pub fn has_copy(connection: &Connection, message: &FilteredMessage) -> rusqlite::Result<bool> {
    let sql = "select 1 from filtered where twin = ?1 and id <> ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement.exists(params![message.twin_hash.0, message.id])
}

/// Takes a message off the list; `None` if it is not listed.
pub fn take(connection: &Connection, id: i64) -> rusqlite::Result<Option<FilteredMessage>> {
    let sql = format!("delete from filtered where id = ?1 returning {COLUMNS}");
    query::first(connection, &sql, [id], read)
}

/// Takes the message with this guid off the list, if it is listed.
pub fn remove(connection: &Connection, guid: &str) -> rusqlite::Result<()> {
    let sql = "delete from filtered where message_guid = ?1";
    query::execute(connection, sql, [guid])
}

/// Writes the ROWID that the row with this guid has now.
pub fn set_rowid(connection: &Connection, guid: &str, rowid: i64) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "update filtered set message_rowid = ?2 where message_guid = ?1 and message_rowid <> ?2",
        params![guid, rowid],
    )
}

/// Writes the current content of a listed message, and the chat and the reason for which it is held back.
/// `id`, `was_old` and `held_since` stay.
pub fn update(connection: &Connection, message: &FilteredMessage) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "update filtered set message_guid = ?2, message_rowid = ?3, chat_guid = ?4, reason = ?5,
             sent_at = ?6, twin = ?7, body = ?8, told_by = ?9
         where id = ?1",
        params![
            message.id,
            message.guid,
            message.rowid,
            message.chat_guid,
            message.reason,
            message.sent_at,
            message.twin_hash.0,
            message.body,
            message.preview_guid
        ],
    )
}

/// The distinct [`FilteredMessage::chat_guid`]s.
pub fn chats(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql =
        "select distinct chat_guid from filtered where chat_guid is not null order by chat_guid";
    query::all(connection, sql, [], |row| row.get(0))
}

/// Removes the bodies of the messages of a deleted person. The rows stay listed as long as Messages has them.
pub fn forget(tx: &Connection, forget: &Forget) -> rusqlite::Result<()> {
    let forgotten: BTreeSet<&str> = forget
        .chat_guids
        .iter()
        .map(|guid| conversation_guid(guid))
        .collect();
    for chat in chats(tx)? {
        if forgotten.contains(conversation_guid(&chat)) {
            let sql = "update filtered set body = null where chat_guid = ?1";
            query::execute(tx, sql, [chat])?;
        }
    }
    for guid in &forget.message_guids {
        let sql = "update filtered set body = null where message_guid = ?1";
        query::execute(tx, sql, [guid])?;
    }
    Ok(())
}

/// Numbers of the listed messages of one chat; for `None`, of those whose rows were not read yet.
pub fn of_chat(connection: &Connection, chat_guid: Option<&str>) -> rusqlite::Result<Vec<i64>> {
    let sql = "select id from filtered where chat_guid is ?1 order by id";
    query::all(connection, sql, [chat_guid], |row| row.get(0))
}

/// Up to `limit` numbers of listed messages above `after`, in order.
pub fn ids_after(connection: &Connection, after: i64, limit: u32) -> rusqlite::Result<Vec<i64>> {
    let sql = "select id from filtered where id > ?1 order by id limit ?2";
    query::all(connection, sql, params![after, limit], |row| row.get(0))
}

pub fn count(connection: &Connection) -> rusqlite::Result<u64> {
    query::count(connection, "select count(*) from filtered")
}

#[cfg(test)]
mod tests;
