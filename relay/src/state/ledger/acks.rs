//! The acks that the backend has not taken.
//!
//! An ack is repeated until a signed answer to a pull that had it. An ack whose bubble has reached another state
//! meanwhile gets a new number, so an answer does not take it.

use rusqlite::{Connection, params};
use shared_protocol::{Ack, AckState};

use super::super::query;
use super::{BubbleState, NEXT_ACK};
use crate::clock::UnixMicros;

/// An ack to send, and the number by which it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingAck {
    pub number: i64,
    pub ack: Ack,
}

/// The oldest `limit` acks that were not taken, in the order in which they came to be.
pub fn pending(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<PendingAck>> {
    let bubbles = "select b.ack, c.id, b.bubble, b.state, b.code, b.reached_at, b.message_guid
                   from ledger_bubble b indexed by ledger_bubble_ack
                   join ledger_command c on c.number = b.command
                   where b.ack is not null order by b.ack limit ?1";
    let mut acks = query::all(connection, bubbles, [limit], |row| {
        let state: BubbleState = row.get(3)?;
        Ok(PendingAck {
            number: row.get(0)?,
            ack: Ack {
                id: row.get(1)?,
                bubble: row.get(2)?,
                state: state.ack_state(),
                code: row.get(4)?,
                at: row.get::<_, UnixMicros>(5)?.as_secs(),
                message_guid: row.get(6)?,
            },
        })
    })?;
    let refusals =
        "select ack, command_id, bubble, code, at from ledger_refusal order by ack limit ?1";
    acks.extend(query::all(connection, refusals, [limit], |row| {
        Ok(PendingAck {
            number: row.get(0)?,
            ack: Ack {
                id: row.get(1)?,
                bubble: row.get(2)?,
                state: AckState::Failed,
                code: row.get(3)?,
                at: row.get::<_, UnixMicros>(4)?.as_secs(),
                message_guid: None,
            },
        })
    })?);
    acks.sort_by_key(|pending| pending.number);
    acks.truncate(limit);
    Ok(acks)
}

/// Has all states that were reached since a time told again, because the backend may have lost them.
pub fn repeat_since(tx: &Connection, since: UnixMicros) -> rusqlite::Result<()> {
    let sql = format!(
        "with lost as (
             select number, row_number() over (order by reached_at, number) - 1 as nth
             from ledger_bubble where ack is null and reached_at >= ?1
         )
         update ledger_bubble set ack = {NEXT_ACK} + lost.nth
         from lost where lost.number = ledger_bubble.number"
    );
    query::execute(tx, &sql, params![since])
}

/// Records that the backend has taken these acks.
pub fn mark_taken(tx: &Connection, numbers: &[i64]) -> rusqlite::Result<()> {
    for number in numbers {
        query::execute(
            tx,
            "update ledger_bubble set ack = null where ack = ?1",
            params![number],
        )?;
        query::execute(
            tx,
            "delete from ledger_refusal where ack = ?1",
            params![number],
        )?;
    }
    Ok(())
}
