//! Moves a bubble to another state. Every change of a state goes through this module: it keeps the order of the
//! states, queues the ack, starts the pause before the next bubble, and removes what is not needed any more.

use rusqlite::{Connection, params};

use super::super::query;
use super::{BubbleNumber, BubbleState, NEXT_ACK};
use crate::clock::UnixMicros;

/// Moves a bubble to `next` if it may become that by itself ([`BubbleState::may_become`]); returns whether it did.
/// `code` says why, without personal data.
pub fn reach(
    tx: &Connection,
    number: BubbleNumber,
    next: BubbleState,
    code: Option<&str>,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let sql = "select state from ledger_bubble where number = ?1";
    let current: Option<BubbleState> = query::first(tx, sql, [number], |row| row.get(0))?;
    if !current.is_some_and(|current| current.may_become(next)) {
        return Ok(false);
    }
    set(tx, number, next, code, now)?;
    Ok(true)
}

/// Notes another code of a bubble that has the state already; returns whether the bubble has the state and had another
/// code.
pub fn note_code(
    tx: &Connection,
    number: BubbleNumber,
    state: BubbleState,
    code: &str,
) -> rusqlite::Result<bool> {
    let sql = format!(
        "update ledger_bubble set code = ?3, ack = {NEXT_ACK}
         where number = ?1 and state = ?2 and code is not ?3"
    );
    Ok(query::change(tx, &sql, params![number, state, code])? > 0)
}

/// Moves a bubble to `next` if its state is `current`: a state that another thread has written meanwhile stays.
pub fn reach_from(
    tx: &Connection,
    number: BubbleNumber,
    current: BubbleState,
    next: BubbleState,
    code: &str,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let sql = "select exists (select 1 from ledger_bubble where number = ?1 and state = ?2)";
    let is_current: bool = tx
        .prepare_cached(sql)?
        .query_row(params![number, current], |row| row.get(0))?;
    Ok(is_current && reach(tx, number, next, Some(code), now)?)
}

/// Sets the state without asking whether the bubble may have it.
pub(super) fn set(
    tx: &Connection,
    number: BubbleNumber,
    next: BubbleState,
    code: Option<&str>,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let sql = format!(
        "update ledger_bubble
         set state = ?2, code = ?3, reached_at = ?4, text = iif(?5, text, null), ack = {NEXT_ACK}
         where number = ?1
         returning command, bubble"
    );
    let values = params![number, next, code, now, next.keeps_text()];
    let (command, bubble) = tx.prepare_cached(&sql)?.query_row(values, |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?))
    })?;
    if next.lets_next_go() {
        start_pause(tx, command, bubble + 1, now)?;
    }
    settle(tx, command, now)
}

/// Starts the pause before a bubble, if it has not begun.
fn start_pause(
    tx: &Connection,
    command: i64,
    bubble: u32,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let sql = "update ledger_bubble set due_at = ?3 + pause_ms * 1000
               where command = ?1 and bubble = ?2 and state = 'queued' and due_at is null";
    query::execute(tx, sql, params![command, bubble, now])
}

/// Records whether all bubbles of a command are final. If they are, the fields of the command are removed.
fn settle(tx: &Connection, command: i64, now: UnixMicros) -> rusqlite::Result<()> {
    let sql = "select not exists (select 1 from ledger_bubble where command = ?1
                   and state in ('queued', 'held', 'dispatched', 'row_seen'))";
    let is_done: bool = tx
        .prepare_cached(sql)?
        .query_row([command], |row| row.get(0))?;
    let sql = if is_done {
        "update ledger_command set done_at = ?2, fields = null where number = ?1"
    } else {
        "update ledger_command set done_at = null where number = ?1 and ?2 is not null"
    };
    query::execute(tx, sql, params![command, now])
}
