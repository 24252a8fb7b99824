//! Under which name each group was told: one row for every group that ever was.

use rusqlite::{Connection, OptionalExtension, params};

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldGroup {
    /// The guid of its chat without the service.
    pub conversation: String,
    /// The chat guid under which the backend knows it.
    pub chat_guid: String,
    /// When it was told first, microseconds since 1970.
    pub told_since: i64,
}

/// Every group.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<ToldGroup>> {
    let mut statement =
        connection.prepare_cached("select conversation, chat_guid, told_since from told_group")?;
    let groups = statement.query_map([], |row| {
        Ok(ToldGroup {
            conversation: row.get(0)?,
            chat_guid: row.get(1)?,
            told_since: row.get(2)?,
        })
    })?;
    groups.collect()
}

/// The chat guid under which the backend knows a group, if it was told before.
pub fn find(connection: &Connection, conversation: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("select chat_guid from told_group where conversation = ?1")?
        .query_row([conversation], |row| row.get(0))
        .optional()
}

/// Writes a group down, over what was known of it.
pub fn save(tx: &Connection, group: &ToldGroup) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "insert into told_group (conversation, chat_guid, told_since) values (?1, ?2, ?3)
         on conflict (conversation) do update set chat_guid = excluded.chat_guid,
             told_since = excluded.told_since",
    )?
    .execute(params![
        group.conversation,
        group.chat_guid,
        group.told_since
    ])?;
    Ok(())
}
