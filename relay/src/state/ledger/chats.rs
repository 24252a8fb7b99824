//! The chats in which the rows of a command's bubbles may appear.

use rusqlite::{Connection, params};
use shared_protocol::conversation_guid;

use super::super::query;
use crate::clock::UnixMicros;

/// Adds a chat of a command.
pub(super) fn add(tx: &Connection, command: i64, chat_guid: &str) -> rusqlite::Result<()> {
    let sql = "insert or ignore into ledger_chat (conversation, command) values (?1, ?2)";
    query::execute(tx, sql, params![conversation_guid(chat_guid), command])
}

/// Removes the chats of commands that were done before `before`: no row of theirs comes any more.
pub(super) fn clean(tx: &Connection, before: UnixMicros) -> rusqlite::Result<()> {
    let sql = "delete from ledger_chat where command in (
                   select number from ledger_command where done_at is not null and done_at < ?1)";
    query::execute(tx, sql, [before])
}
