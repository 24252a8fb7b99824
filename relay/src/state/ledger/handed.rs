//! Bubbles that another installation of this relay may have sent: after a move, a clone, or the loss or restore of
//! the state. This installation never sends them. Their rows in chat.db prove them; without a row they are unknown.

use rusqlite::{Connection, params};

use super::super::query;
use super::matching::earliest_elsewhere;
use super::{BubbleNumber, BubbleState, UNFINISHED, transitions};
use crate::clock::UnixMicros;

/// The code of a bubble that another installation may have sent and that has no row.
pub const NOT_FOUND_CODE: &str = "handed_elsewhere";

/// A bubble that another installation may have sent, and whose row was not looked for yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedBubble {
    pub number: BubbleNumber,
    pub chat_guid: String,
    pub aliases: Vec<String>,
    /// `message.guid` of the newest message that is answered: the row of the bubble is newer.
    pub anchor_guid: Option<String>,
    pub taken_at: UnixMicros,
    /// The earliest time at which the other installation can have sent it.
    pub earliest: UnixMicros,
}

/// The bubbles whose rows are to be looked for, in order.
pub fn open(connection: &Connection) -> rusqlite::Result<Vec<HandedBubble>> {
    let sql = format!(
        "select b.number, c.chat_guid, c.aliases, c.anchor_guid, c.taken_at,
             c.not_before, c.not_after
         from ledger_bubble b indexed by ledger_bubble_unfinished
         join ledger_command c on c.number = b.command
         where b.{UNFINISHED} and b.state in ('queued', 'held') and b.handed = 1
             and c.chat_guid is not null
         order by c.seq, b.bubble"
    );
    query::all(connection, &sql, [], |row| {
        let aliases: Option<String> = row.get(2)?;
        Ok(HandedBubble {
            number: row.get(0)?,
            chat_guid: row.get(1)?,
            aliases: aliases
                .and_then(|json| serde_json::from_str(&json).ok())
                .unwrap_or_default(),
            anchor_guid: row.get(3)?,
            taken_at: row.get(4)?,
            earliest: earliest_elsewhere(row.get(5)?, row.get(6)?),
        })
    })
}

/// Records that the look in chat.db found no row. The bubble can still be matched for
/// [`MATCHABLE_FOR`](super::matching::MATCHABLE_FOR).
pub fn not_found(tx: &Connection, number: BubbleNumber, now: UnixMicros) -> rusqlite::Result<bool> {
    let code = Some(NOT_FOUND_CODE);
    transitions::reach(tx, number, BubbleState::Unknown, code, now)
}

/// Makes everything that waits to be sent `handed`: the state has become that of another installation, as after it
/// was copied or restored, and the one before may have sent it. Returns how many bubbles it were.
pub fn hand_over_all(tx: &Connection) -> rusqlite::Result<usize> {
    let sql = format!(
        "update ledger_bubble set handed = 1, released = 0
         where {UNFINISHED} and state in ('queued', 'held') and handed = 0
             and command in (select number from ledger_command where kind = 'send_message')"
    );
    query::change(tx, &sql, params![])
}
