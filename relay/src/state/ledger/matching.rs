//! Proves bubbles by their rows in chat.db: the exit of a child process proves nothing.
//!
//! A row proves one bubble, and a bubble is proven by one row. Of the open bubbles of a chat with the row's text, the
//! row belongs to the one that was passed to Messages first. The row must be newer than the bubble: its ROWID is above
//! the baseline or, in another file than that of the baseline, its date is not before the dispatch.
//!
//! A bubble that the owner had sent again can have a row of each time. The first row proves it, and the later ones are
//! its rows, too.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::super::query;
use super::{Baseline, BubbleNumber, BubbleState, NEXT_ACK, TextHash, UNFINISHED, transitions};
use crate::clock::UnixMicros;

/// How long an unknown or failed bubble may still be matched with a row.
pub const MATCHABLE_FOR: Duration = Duration::from_mins(10);
/// How long the row of a sent bubble is watched.
pub const WATCHED_FOR: Duration = Duration::from_hours(24);
/// By how much the date of a row may lie before the dispatch of its bubble.
const DATE_TOLERANCE: Duration = Duration::from_secs(2);
/// The longest time between the making of a command and the end of its time.
const LONGEST_LIFE_SECS: i64 = 6 * 60 * 60;
/// By how much the backend's clock may differ from the Mac's.
const CLOCK_TOLERANCE_SECS: i64 = 5 * 60;

/// A bubble whose row may appear or may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBubble {
    pub number: BubbleNumber,
    pub state: BubbleState,
    /// `message.guid` of its row, once it is matched.
    pub message_guid: Option<String>,
    command_id: String,
    bubble: u32,
    text_hash: TextHash,
    baseline: Option<Baseline>,
    /// How many rows of earlier times are still missing.
    missing_rows: i64,
    /// Its row, if it lies in another file than that of the baseline, is not older than this.
    earliest: UnixMicros,
}

impl OpenBubble {
    /// Whether a row with this decoded text may be that of the bubble.
    pub fn has_text(&self, text: &str) -> bool {
        TextHash::of(&self.command_id, self.bubble, text) == self.text_hash
    }

    fn is_before(&self, row: &OwnRow<'_>) -> bool {
        match &self.baseline {
            Some(baseline) if baseline.file == row.file => row.rowid > baseline.rowid,
            _ => row.sent_at >= self.earliest,
        }
    }

    /// Whether the row could be that of the bubble, if it had the bubble's text.
    fn awaits(&self, row: &OwnRow<'_>) -> bool {
        self.message_guid.is_none() && self.is_before(row)
    }

    fn is_proven_by(&self, row: &OwnRow<'_>) -> bool {
        self.awaits(row) && self.has_text(row.text)
    }

    /// Whether the row may be a further one of a bubble that was sent again.
    fn is_repeated_by(&self, row: &OwnRow<'_>) -> bool {
        self.message_guid.is_some()
            && self.missing_rows > 0
            && self.is_before(row)
            && self.has_text(row.text)
    }
}

/// An own row of chat.db.
#[derive(Clone, Copy, Debug)]
pub struct OwnRow<'a> {
    /// `message.guid`
    pub guid: &'a str,
    /// Which file chat.db is, as in [`Baseline::file`].
    pub file: &'a str,
    pub rowid: i64,
    /// `message.date`
    pub sent_at: UnixMicros,
    /// The decoded text.
    pub text: &'a str,
}

/// What a row says about its bubble: `row_seen`, `sent`, `delivered`, or `failed` with a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowState<'a> {
    pub state: BubbleState,
    pub code: Option<&'a str>,
}

/// The open bubbles of the conversations, which are chat guids without their service, in the order in which they
/// were passed to Messages. They are open while dispatched or in chat.db, while sent for [`WATCHED_FOR`], and while
/// unknown or failed for [`MATCHABLE_FOR`]. So are those that wait or were cancelled after they may have been sent. Those
/// that another installation may have sent come last.
pub fn open_bubbles(
    connection: &Connection,
    conversations: &[&str],
    now: UnixMicros,
) -> rusqlite::Result<Vec<OpenBubble>> {
    let sql = "select b.number, b.state, b.message_guid, c.id, b.bubble, b.text_hash,
                   b.baseline_file, b.baseline_rowid, b.dispatched_at, c.not_before, c.not_after,
                   b.earlier_sends,
                   (select count(*) from ledger_earlier_row earlier where earlier.bubble = b.number)
               from ledger_chat chat
               join ledger_bubble b on b.command = chat.command
               join ledger_command c on c.number = b.command
               where chat.conversation = ?1 and (
                   b.state in ('dispatched', 'row_seen')
                   or (b.state in ('sent', 'delivered') and b.reached_at > ?2)
                   or (b.state in ('unknown', 'failed') and b.reached_at > ?3)
                   or (b.state in ('queued', 'held') and (b.handed = 1 or b.earlier_sends > 0))
                   or (b.state = 'cancelled' and b.reached_at > ?3 and (b.handed = 1
                       or b.earlier_sends > 0 or b.dispatched_at is not null)))";
    let watched_since = now.minus(WATCHED_FOR);
    let matchable_since = now.minus(MATCHABLE_FOR);
    let mut found = BTreeMap::new();
    for conversation in conversations {
        let values = params![conversation, watched_since, matchable_since];
        for (order, bubble) in query::all(connection, sql, values, read_open)? {
            found.insert(order, bubble);
        }
    }
    Ok(found.into_values().collect())
}

/// The place of a bubble among the open ones: by the time of its dispatch, if it has one, then by its number.
type Order = (bool, Option<UnixMicros>, BubbleNumber);

fn read_open(row: &Row<'_>) -> rusqlite::Result<(Order, OpenBubble)> {
    let file: Option<String> = row.get(6)?;
    let rowid: Option<i64> = row.get(7)?;
    let dispatched_at: Option<UnixMicros> = row.get(8)?;
    let not_before: Option<i64> = row.get(9)?;
    let not_after: Option<i64> = row.get(10)?;
    let (earlier_sends, earlier_rows): (i64, i64) = (row.get(11)?, row.get(12)?);
    let earliest = dispatched_at.filter(|_| earlier_sends == 0).map_or_else(
        || earliest_elsewhere(not_before, not_after),
        |at| at.minus(DATE_TOLERANCE),
    );
    let number = row.get(0)?;
    let bubble = OpenBubble {
        number,
        state: row.get(1)?,
        message_guid: row.get(2)?,
        command_id: row.get(3)?,
        bubble: row.get(4)?,
        text_hash: TextHash::from_bytes(row.get(5)?),
        baseline: file
            .zip(rowid)
            .map(|(file, rowid)| Baseline { file, rowid }),
        missing_rows: earlier_sends - earlier_rows,
        earliest,
    };
    Ok(((dispatched_at.is_none(), dispatched_at, number), bubble))
}

/// The earliest time at which another installation can have sent a command with these times, Unix seconds by the
/// backend's clock.
pub(super) fn earliest_elsewhere(not_before: Option<i64>, not_after: Option<i64>) -> UnixMicros {
    let made = not_after.unwrap_or(0).saturating_sub(LONGEST_LIFE_SECS);
    let made = made.max(not_before.unwrap_or(i64::MIN));
    UnixMicros::from_secs(made.saturating_sub(CLOCK_TOLERANCE_SECS))
}

/// Matches an own row of the conversations with its bubble, and moves the bubble to the state of the row; `None` if
/// the row is no bubble's. A row that was matched before keeps its bubble.
pub fn match_row(
    tx: &Connection,
    conversations: &[&str],
    row: &OwnRow<'_>,
    row_state: RowState<'_>,
    now: UnixMicros,
) -> rusqlite::Result<Option<BubbleNumber>> {
    if let Some(number) = bubble_of(tx, row.guid)? {
        apply_row_state(tx, number, row_state, now)?;
        return Ok(Some(number));
    }
    let open = open_bubbles(tx, conversations, now)?;
    let proven = open.iter().find(|bubble| bubble.is_proven_by(row));
    let repeated = || open.iter().find(|bubble| bubble.is_repeated_by(row));
    let Some(bubble) = proven.or_else(repeated) else {
        return Ok(None);
    };
    if let Some(earlier) = &bubble.message_guid {
        let sql = "insert into ledger_earlier_row (message_guid, bubble) values (?1, ?2)";
        query::execute(tx, sql, params![earlier, bubble.number])?;
    }
    let sql =
        format!("update ledger_bubble set message_guid = ?2, ack = {NEXT_ACK} where number = ?1");
    query::execute(tx, &sql, params![bubble.number, row.guid])?;
    apply_row_state(tx, bubble.number, row_state, now)?;
    Ok(Some(bubble.number))
}

/// Whether a row of the conversations may be that of an open bubble.
pub fn may_be_a_bubble(
    connection: &Connection,
    conversations: &[&str],
    row: &OwnRow<'_>,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let open = open_bubbles(connection, conversations, now)?;
    let may_be = |bubble: &OpenBubble| bubble.is_proven_by(row) || bubble.is_repeated_by(row);
    Ok(open.iter().any(may_be))
}

/// Whether a bubble was passed to Messages for the conversations whose row a row without content may become.
pub fn may_become_a_bubble(
    connection: &Connection,
    conversations: &[&str],
    row: &OwnRow<'_>,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let open = open_bubbles(connection, conversations, now)?;
    Ok(open
        .iter()
        .any(|bubble| bubble.state == BubbleState::Dispatched && bubble.awaits(row)))
}

/// Whether an open bubble of the conversations has no row and could have this one, whatever its text.
pub fn awaits_row(
    connection: &Connection,
    conversations: &[&str],
    row: &OwnRow<'_>,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let open = open_bubbles(connection, conversations, now)?;
    Ok(open.iter().any(|bubble| bubble.awaits(row)))
}

/// Whether an open bubble of the conversations has this text, proven or not.
pub fn has_text(
    connection: &Connection,
    conversations: &[&str],
    text: &str,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let open = open_bubbles(connection, conversations, now)?;
    Ok(open.iter().any(|bubble| bubble.has_text(text)))
}

/// Whether a bubble of any conversation that was passed to Messages and is not proven has this text.
pub fn is_under_way(connection: &Connection, text: &str) -> rusqlite::Result<bool> {
    let sql = format!(
        "select c.id, b.bubble, b.text_hash
         from ledger_bubble b indexed by ledger_bubble_unfinished
         join ledger_command c on c.number = b.command
         where b.{UNFINISHED} and b.message_guid is null
             and (b.state in ('dispatched', 'unknown') or b.earlier_sends > 0)"
    );
    let bubbles = query::all(connection, &sql, [], |row| {
        let (command_id, bubble): (String, u32) = (row.get(0)?, row.get(1)?);
        let hash = TextHash::from_bytes(row.get(2)?);
        Ok(TextHash::of(&command_id, bubble, text) == hash)
    })?;
    Ok(bubbles.contains(&true))
}

/// Fails the bubble of the conversations that was passed to Messages last: a row without chat and text shows that
/// Messages has sent nothing, and comes at once. Returns `None` if none is open. The bubble keeps no guid, so a row that
/// proves it after all is still matched.
pub fn fail_last(
    tx: &Connection,
    conversations: &[&str],
    row: &OwnRow<'_>,
    code: &str,
    now: UnixMicros,
) -> rusqlite::Result<Option<BubbleNumber>> {
    let mut open = open_bubbles(tx, conversations, now)?;
    open.retain(|bubble| {
        matches!(bubble.state, BubbleState::Dispatched | BubbleState::Unknown) && bubble.awaits(row)
    });
    // Those that another installation may have sent come last in the list, and have no baseline.
    let sent_here = open.iter().rfind(|bubble| bubble.baseline.is_some());
    let Some(bubble) = sent_here.or(open.first()) else {
        return Ok(None);
    };
    transitions::reach(tx, bubble.number, BubbleState::Failed, Some(code), now)?;
    Ok(Some(bubble.number))
}

/// The service over which the command of a bubble is to be sent, if it says so.
pub fn asked_service(
    connection: &Connection,
    number: BubbleNumber,
) -> rusqlite::Result<Option<String>> {
    let sql = "select c.service from ledger_bubble b join ledger_command c on c.number = b.command
               where b.number = ?1";
    let service = query::first(connection, sql, [number], |row| row.get(0))?;
    Ok(service.flatten())
}

fn apply_row_state(
    tx: &Connection,
    number: BubbleNumber,
    row_state: RowState<'_>,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    transitions::reach(tx, number, row_state.state, row_state.code, now)
}

/// The bubble whose row has this guid: the row is an own send of this relay, and is never posted.
pub fn bubble_of(connection: &Connection, guid: &str) -> rusqlite::Result<Option<BubbleNumber>> {
    let sql = "select number from ledger_bubble where message_guid = ?1
               union all select bubble from ledger_earlier_row where message_guid = ?1";
    query::first(connection, sql, [guid], |row| row.get(0))
}

/// `message.guid` of the newest message that a reply answers, by the guid of the row of one of its bubbles.
pub fn anchor_of_row(connection: &Connection, guid: &str) -> rusqlite::Result<Option<String>> {
    let sql =
        "select c.anchor_guid from ledger_bubble b join ledger_command c on c.number = b.command
               where b.message_guid = ?1";
    let anchor: Option<Option<String>> = query::first(connection, sql, [guid], |row| row.get(0))?;
    Ok(anchor.flatten())
}

/// A bubble whose row may still change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedBubble {
    pub number: BubbleNumber,
    pub message_guid: String,
    pub state: BubbleState,
    pub reached_at: UnixMicros,
}

/// The bubbles with rows that may still change, the oldest first: those that are not sent at any age, sent ones for
/// [`WATCHED_FOR`], unknown and failed ones for [`MATCHABLE_FOR`].
pub fn watched(connection: &Connection, now: UnixMicros) -> rusqlite::Result<Vec<WatchedBubble>> {
    let sql = "select number, message_guid, state, reached_at
               from ledger_bubble indexed by ledger_bubble_watched
               where message_guid is not null and state in ('row_seen', 'sent', 'failed', 'unknown')
                   and (state = 'row_seen' or (state = 'sent' and reached_at > ?1)
                       or (state in ('failed', 'unknown') and reached_at > ?2))
               order by reached_at";
    let values = params![now.minus(WATCHED_FOR), now.minus(MATCHABLE_FOR)];
    query::all(connection, sql, values, |row| {
        Ok(WatchedBubble {
            number: row.get(0)?,
            message_guid: row.get(1)?,
            state: row.get(2)?,
            reached_at: row.get(3)?,
        })
    })
}
