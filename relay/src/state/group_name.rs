//! The chat guid under which the backend knows each group. Every group of which a message was posted has a
//! row in the table `told_group`, which is never removed.

use rusqlite::{Connection, params};

use super::query;

/// A group of which a message was posted, and its name for the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName {
    /// The guid of the group's chat in chat.db, without the service.
    pub conversation: String,
    /// The chat guid under which the backend knows the group.
    pub chat_guid: String,
    /// When a message of the group was first posted, microseconds since 1970.
    pub since: i64,
}

pub fn all(connection: &Connection) -> rusqlite::Result<Vec<GroupName>> {
    query::all(
        connection,
        "select conversation, chat_guid, told_since from told_group",
        [],
        |row| {
            Ok(GroupName {
                conversation: row.get(0)?,
                chat_guid: row.get(1)?,
                since: row.get(2)?,
            })
        },
    )
}

/// The chat guid under which the backend knows a group, if a message of the group was posted before.
pub fn find(connection: &Connection, conversation: &str) -> rusqlite::Result<Option<String>> {
    let sql = "select chat_guid from told_group where conversation = ?1";
    query::first(connection, sql, [conversation], |row| row.get(0))
}

/// Writes the name of a group in place of an earlier one.
pub fn save(tx: &Connection, group: &GroupName) -> rusqlite::Result<()> {
    query::execute(
        tx,
        "insert into told_group (conversation, chat_guid, told_since) values (?1, ?2, ?3)
         on conflict (conversation) do update set chat_guid = excluded.chat_guid,
             told_since = excluded.told_since",
        params![group.conversation, group.chat_guid, group.since],
    )
}
