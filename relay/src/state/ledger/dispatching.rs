//! The dispatcher's statements: which bubbles could be sent, and that one is about to be.
//!
//! Of each command, only the first bubble that is not through could be sent. It waits as long as the one before it
//! may still come ([`BubbleState::lets_next_go`](super::BubbleState::lets_next_go)). Whether the lease, the limits,
//! the pause and the hour allow it is the dispatcher's decision.

use std::time::Duration;

use rusqlite::{Connection, Row, params};
use shared_protocol::{Priority, QuietHours};

use super::super::query;
use super::cancelling::FORGOTTEN;
use super::{
    Baseline, BubbleNumber, BubbleState, NEXT_ACK, chats, name_move, priority, transitions,
};
use crate::clock::UnixMicros;

/// A bubble that could be sent, without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendableBubble {
    pub number: BubbleNumber,
    /// Id of the command.
    pub command_id: String,
    /// Number within the command, from 0.
    pub bubble: u32,
    /// The chat guid of the command without its service. Bubbles of one conversation go one after the other.
    pub conversation: String,
    /// The line from which it must come: one of its addresses.
    pub line: Option<String>,
    pub priority: Priority,
    /// When the pause before it ends; `None` if it has none.
    pub due_at: Option<UnixMicros>,
    /// The pause before it.
    pub pause: Duration,
    /// Unix seconds by the backend's clock, as the two that follow.
    pub not_before: Option<i64>,
    pub not_after: i64,
    pub quiet: Option<QuietHours>,
    /// Whether the owner has released it: neither its line nor its time keeps it.
    pub is_released: bool,
    /// When its command was taken.
    pub taken_at: UnixMicros,
}

/// What is passed to Messages.
#[derive(Clone, PartialEq, Eq)]
pub struct BubbleToSend {
    pub text: String,
    pub chat_guid: String,
    pub aliases: Vec<String>,
    /// `message.guid` of the newest message that is answered.
    pub anchor_guid: Option<String>,
    pub line: Option<String>,
    pub service: Option<String>,
}

/// The condition that the bubble `b` could be sent.
const IS_SENDABLE: &str = "b.state = 'queued' and b.handed = 0 and not exists (
    select 1 from ledger_bubble before where before.command = b.command
    and before.bubble < b.bubble and before.state in ('queued', 'held', 'dispatched', 'unknown'))";

/// Up to `limit` bubbles that could be sent, one of each command: by priority, then in the order of the commands.
pub fn sendable(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<SendableBubble>> {
    let sql = format!(
        "select b.number, c.id, b.bubble, c.conversation, c.line, c.priority, b.due_at, b.pause_ms,
             c.not_before, c.not_after, c.quiet_from, c.quiet_to, b.released, c.taken_at
         from ledger_bubble b indexed by ledger_bubble_unfinished
         join ledger_command c on c.number = b.command
         where b.{unfinished} and {IS_SENDABLE} and c.kind = 'send_message'
             and b.text is not null and c.conversation is not null
         order by c.priority desc, c.seq, c.number limit ?1",
        unfinished = super::UNFINISHED,
    );
    query::all(connection, &sql, [limit], read_sendable)
}

fn read_sendable(row: &Row<'_>) -> rusqlite::Result<SendableBubble> {
    let from: Option<i64> = row.get(10)?;
    let to: Option<i64> = row.get(11)?;
    Ok(SendableBubble {
        number: row.get(0)?,
        command_id: row.get(1)?,
        bubble: row.get(2)?,
        conversation: row.get(3)?,
        line: row.get(4)?,
        priority: priority::of_rank(row.get(5)?),
        due_at: row.get(6)?,
        pause: Duration::from_millis(row.get(7)?),
        not_before: row.get(8)?,
        not_after: row.get(9)?,
        quiet: from.zip(to).map(|(from, to)| QuietHours { from, to }),
        is_released: row.get(12)?,
        taken_at: row.get(13)?,
    })
}

/// Text and target of a bubble; `None` if its text is gone.
pub fn load(
    connection: &Connection,
    number: BubbleNumber,
) -> rusqlite::Result<Option<BubbleToSend>> {
    let sql = "select b.text, c.chat_guid, c.aliases, c.anchor_guid, c.line, c.service
               from ledger_bubble b join ledger_command c on c.number = b.command
               where b.number = ?1 and b.text is not null and c.chat_guid is not null";
    query::first(connection, sql, [number], |row| {
        let aliases: Option<String> = row.get(2)?;
        Ok(BubbleToSend {
            text: row.get(0)?,
            chat_guid: row.get(1)?,
            aliases: aliases
                .and_then(|json| serde_json::from_str(&json).ok())
                .unwrap_or_default(),
            anchor_guid: row.get(3)?,
            line: row.get(4)?,
            service: row.get(5)?,
        })
    })
}

/// Writes that a bubble is about to be passed to Messages: right before the child process starts, in a transaction
/// of [`State::write_durably`](super::super::State::write_durably), in which the caller also checks the lease.
/// `chat_guid` is the chat that was resolved for it, in which its row will appear. Returns false, and changes
/// nothing, if the bubble cannot be sent any more, or if the owner has paused sending or is moving the relay to another Mac.
pub fn dispatch(
    tx: &Connection,
    number: BubbleNumber,
    chat_guid: &str,
    baseline: &Baseline,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    if name_move::stops_sending(tx)? {
        return Ok(false);
    }
    let sql = format!(
        "update ledger_bubble as b
         set state = 'dispatched', code = null, reached_at = ?4, dispatched_at = ?4,
             baseline_file = iif(b.earlier_sends = 0, ?2, b.baseline_file),
             baseline_rowid = iif(b.earlier_sends = 0, ?3, b.baseline_rowid), ack = {NEXT_ACK}
         where b.number = ?1 and b.text is not null and {IS_SENDABLE}
         returning command"
    );
    let values = params![number, baseline.file, baseline.rowid, now];
    let command = query::first(tx, &sql, values, |row| row.get::<_, i64>(0))?;
    if let Some(command) = command {
        chats::add(tx, command, chat_guid)?;
    }
    Ok(command.is_some())
}

/// Puts a dispatched bubble back, because the child process proved that it passed nothing to Messages. It may be
/// sent from `due_at` on. The backend is not told. A bubble that was cancelled or forgotten meanwhile is not put back,
/// but becomes `cancelled`. Returns false if the bubble is not put back.
pub fn requeue(
    tx: &Connection,
    number: BubbleNumber,
    code: &str,
    due_at: UnixMicros,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    // A dispatch removes the code, so a dispatched bubble has one only if it was to be cancelled.
    let sql = "update ledger_bubble
               set state = 'queued', code = ?2, due_at = ?3, reached_at = ?4, dispatched_at = null
               where number = ?1 and state = 'dispatched' and text is not null and code is null";
    if query::change(tx, sql, params![number, code, due_at, now])? > 0 {
        return Ok(true);
    }
    let sql = "select code from ledger_bubble where number = ?1 and state = 'dispatched'";
    let cancelled: Option<Option<String>> = query::first(tx, sql, [number], |row| row.get(0))?;
    if let Some(code) = cancelled {
        let code = code.as_deref().or(Some(FORGOTTEN));
        transitions::reach(tx, number, BubbleState::Cancelled, code, now)?;
        let sql = "update ledger_bubble set dispatched_at = null where number = ?1";
        query::execute(tx, sql, params![number])?;
    }
    Ok(false)
}

/// Lets a queued bubble wait until `due_at`, because an attempt ended before anything was passed to Messages.
pub fn postpone(
    tx: &Connection,
    number: BubbleNumber,
    code: &str,
    due_at: UnixMicros,
) -> rusqlite::Result<()> {
    let sql =
        "update ledger_bubble set code = ?2, due_at = ?3 where number = ?1 and state = 'queued'";
    query::execute(tx, sql, params![number, code, due_at])
}

/// Shortens the pauses that a clock set back has lengthened: no pause may last longer from now on than it was to
/// last as a whole. Returns how many it shortened. A pause after a failed attempt is at most `longest`.
pub fn shorten_pauses(
    tx: &Connection,
    longest: Duration,
    now: UnixMicros,
) -> rusqlite::Result<usize> {
    let sql = "update ledger_bubble
               set due_at = ?1 + iif(code is null, pause_ms * 1000, ?2)
               where state in ('queued', 'held', 'dispatched', 'row_seen', 'unknown')
                   and state = 'queued'
                   and due_at > ?1 + iif(code is null, pause_ms * 1000, ?2)";
    let longest = i64::try_from(longest.as_micros()).unwrap_or(i64::MAX);
    query::change(tx, sql, params![now, longest])
}

/// The bubbles that were passed to Messages and are not proven, oldest first. After a start, none of them has a
/// child process any more.
pub fn in_flight(connection: &Connection) -> rusqlite::Result<Vec<InFlightBubble>> {
    let sql = format!(
        "select b.number, c.conversation, c.line, b.dispatched_at, b.baseline_file, b.baseline_rowid, c.id,
             b.bubble
         from ledger_bubble b indexed by ledger_bubble_unfinished
         join ledger_command c on c.number = b.command
         where b.{} and b.state = 'dispatched' order by b.dispatched_at",
        super::UNFINISHED
    );
    query::all(connection, &sql, [], |row| {
        let file: Option<String> = row.get(4)?;
        let rowid: Option<i64> = row.get(5)?;
        Ok(InFlightBubble {
            number: row.get(0)?,
            command_id: row.get(6)?,
            bubble: row.get(7)?,
            conversation: row.get(1)?,
            line: row.get(2)?,
            dispatched_at: row.get(3)?,
            baseline: file
                .zip(rowid)
                .map(|(file, rowid)| Baseline { file, rowid }),
        })
    })
}

/// A bubble that was passed to Messages and is not proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlightBubble {
    pub number: BubbleNumber,
    /// Id of the command.
    pub command_id: String,
    /// Number within the command, from 0.
    pub bubble: u32,
    /// `None` if the person was forgotten meanwhile.
    pub conversation: Option<String>,
    pub line: Option<String>,
    pub dispatched_at: UnixMicros,
    pub baseline: Option<Baseline>,
}

/// Holds a queued bubble for the owner, because Messages would send it from another line. It holds back the rest
/// of its reply. Returns false if the bubble is not `queued`.
pub fn hold(
    tx: &Connection,
    number: BubbleNumber,
    code: &str,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    transitions::reach(tx, number, BubbleState::Held, Some(code), now)
}
