//! What was passed to Messages: its times, for the limits of a line, and how it ended, for the breaker.

use std::time::Duration;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, ToSql, params};
use strum::IntoStaticStr;

use super::super::query;
use super::BubbleState;
use crate::clock::UnixMicros;

/// How long the times are kept: a little longer than the longest limit lasts.
pub const KEPT_FOR: Duration = Duration::from_hours(25);

/// What a line and a chat had to do with each other before a bubble was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Contact {
    /// The line has written to the chat before.
    Known,
    /// The chat has written, and the line has not.
    FirstAnswer,
    /// Neither has written.
    Cold,
}

impl ToSql for Contact {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let name: &'static str = self.into();
        Ok(name.into())
    }
}

/// Records that a bubble is passed to Messages: in the transaction that writes it `dispatched`.
pub fn record(
    tx: &Connection,
    line: &str,
    contact: Contact,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let sql = "insert into ledger_send (line, at, contact) values (?1, ?2, ?3)";
    query::execute(tx, sql, params![line, now, contact])
}

/// When the `nth` last bubble of a line was passed to Messages, counted from 1; `None` if there were fewer. With a
/// limit of n bubbles in a time, the next one may go once this lies further back than that time. Times after `now`
/// are those of a clock that was wrong, and do not count.
pub fn nth_last(
    connection: &Connection,
    line: &str,
    nth: u32,
    now: UnixMicros,
) -> rusqlite::Result<Option<UnixMicros>> {
    let sql = "select at from ledger_send where line = ?1 and at <= ?2
               order by at desc limit 1 offset ?3";
    let values = params![line, now, nth.saturating_sub(1)];
    query::first(connection, sql, values, |row| row.get(0))
}

/// As [`nth_last`], of the bubbles with this contact.
pub fn nth_last_contact(
    connection: &Connection,
    line: &str,
    contact: Contact,
    nth: u32,
    now: UnixMicros,
) -> rusqlite::Result<Option<UnixMicros>> {
    let sql = "select at from ledger_send where line = ?1 and contact = ?2 and at <= ?3
               order by at desc limit 1 offset ?4";
    let values = params![line, contact, now, nth.saturating_sub(1)];
    query::first(connection, sql, values, |row| row.get(0))
}

/// Whether the ledger knows of a bubble that was passed to Messages for the conversation, a chat guid without its
/// service.
pub fn has_sent_to(connection: &Connection, conversation: &str) -> rusqlite::Result<bool> {
    let sql = "select exists (
                   select 1 from ledger_command c join ledger_bubble b on b.command = c.number
                   where c.conversation = ?1 and b.dispatched_at is not null)";
    connection
        .prepare_cached(sql)?
        .query_row([conversation], |row| row.get(0))
}

/// How a bubble ended that was passed to Messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendResult {
    /// The chat guid of the command without its service; `None` if it was forgotten.
    pub conversation: Option<String>,
    pub state: BubbleState,
    pub code: Option<String>,
    pub dispatched_at: UnixMicros,
}

/// Of the bubbles that were passed to Messages after `since`, the results of the last `limit` ones that have one,
/// newest first.
pub fn last_results(
    connection: &Connection,
    since: UnixMicros,
    limit: usize,
) -> rusqlite::Result<Vec<SendResult>> {
    let sql = "select c.conversation, b.state, b.code, b.dispatched_at
               from ledger_bubble b indexed by ledger_bubble_dispatched
               join ledger_command c on c.number = b.command
               where b.dispatched_at is not null and b.dispatched_at > ?1
                   and b.state not in ('queued', 'held', 'dispatched')
               order by b.dispatched_at desc limit ?2";
    query::all(connection, sql, params![since, limit], |row| {
        Ok(SendResult {
            conversation: row.get(0)?,
            state: row.get(1)?,
            code: row.get(2)?,
            dispatched_at: row.get(3)?,
        })
    })
}

/// Removes times before `before`.
pub(super) fn clean(tx: &Connection, before: UnixMicros) -> rusqlite::Result<()> {
    query::execute(tx, "delete from ledger_send where at < ?1", [before])
}
