//! Bubbles whose rows are gone from chat.db: it was built anew and has them under other guids, or they were deleted for
//! good.

use rusqlite::{Connection, params};

use super::super::query;
use super::matching::{MATCHABLE_FOR, OwnRow, WatchedBubble, bubble_of, open_bubbles};
use super::{BubbleNumber, BubbleState, transitions};
use crate::clock::UnixMicros;

/// The code of a bubble whose row is gone, so that none will say whether it was sent.
pub const ROW_GONE: &str = "row_gone";

/// Gives a bubble of these conversations this row in place of the one that is gone; returns whether the row has the
/// bubble's text and is no other bubble's.
pub fn replace_row(
    tx: &Connection,
    number: BubbleNumber,
    conversations: &[&str],
    row: &OwnRow<'_>,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let open = open_bubbles(tx, conversations, now)?;
    let is_its_text = open
        .iter()
        .any(|bubble| bubble.number == number && bubble.has_text(row.text));
    if !is_its_text || bubble_of(tx, row.guid)?.is_some() {
        return Ok(false);
    }
    let sql = "update ledger_bubble set message_guid = ?2 where number = ?1";
    query::execute(tx, sql, params![number, row.guid])?;
    Ok(true)
}

/// Ends a bubble whose row is still gone a while after it was seen, unless it was sent. The bubble can be given a row for
/// [`MATCHABLE_FOR`] from then on. Returns whether it has ended.
pub fn give_up(tx: &Connection, bubble: &WatchedBubble, now: UnixMicros) -> rusqlite::Result<bool> {
    let has_lasted = now.since(bubble.reached_at) >= MATCHABLE_FOR;
    if !has_lasted || bubble_of(tx, &bubble.message_guid)? != Some(bubble.number) {
        return Ok(false);
    }
    let (from, to) = (BubbleState::RowSeen, BubbleState::Unknown);
    transitions::reach_from(tx, bubble.number, from, to, ROW_GONE, now)
}
