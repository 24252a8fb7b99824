//! Removes what the ledger need not know any more.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::super::query;
use super::matching::WATCHED_FOR;
use super::{chats, history};
use crate::clock::UnixMicros;

/// How long a command is kept after its last bubble became final: as long as the backend, restored from a backup,
/// may send it again.
pub const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// Removes up to `limit` old commands with their bubbles, the chats of which no row comes any more, and old times of
/// sends; returns how many commands were removed. A command with an ack that was not taken stays.
pub fn clean(tx: &Connection, now: UnixMicros, limit: u32) -> rusqlite::Result<usize> {
    history::clean(tx, now.minus(history::KEPT_FOR))?;
    chats::clean(tx, now.minus(WATCHED_FOR))?;
    let commands = "delete from ledger_command where number in (
                        select c.number from ledger_command c
                        where c.done_at is not null and c.done_at < ?1 and not exists (
                            select 1 from ledger_bubble b
                            where b.command = c.number and b.ack is not null)
                        limit ?2)";
    query::change(tx, commands, params![now.minus(KEPT_FOR), limit])
}
