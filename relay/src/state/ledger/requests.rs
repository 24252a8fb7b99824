//! Commands without bubbles: they are acked as bubble 0, `delivered` once they are carried out.

use rusqlite::Connection;
use shared_protocol::ResendSince;

use super::super::query;
use super::{BubbleNumber, BubbleState, UNFINISHED, transitions};
use crate::clock::UnixMicros;

/// Records that the command with this id is carried out. Returns false if there is none that is not.
pub fn complete(tx: &Connection, command_id: &str, now: UnixMicros) -> rusqlite::Result<bool> {
    let sql = "select b.number from ledger_command c join ledger_bubble b on b.command = c.number
               where c.id = ?1 and c.kind <> 'send_message' and b.state = 'queued'";
    match query::first(tx, sql, [command_id], |row| row.get(0))? {
        Some(number) => {
            transitions::set(tx, number, BubbleState::Delivered, None, now)?;
            Ok(true)
        }
        None => Ok(false),
    }
}

/// A `resend_since` that is not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendRequest {
    pub number: BubbleNumber,
    pub command_id: String,
    /// Unix seconds.
    pub since: i64,
    pub taken_at: UnixMicros,
}

/// The commands to post the messages since a time again, in order. The pipeline carries them out.
pub fn resends(connection: &Connection) -> rusqlite::Result<Vec<ResendRequest>> {
    let sql = format!(
        "select b.number, c.id, c.fields, c.taken_at
         from ledger_bubble b indexed by ledger_bubble_unfinished
         join ledger_command c on c.number = b.command
         where b.{UNFINISHED} and b.state = 'queued' and c.kind = 'resend_since' order by c.seq"
    );
    query::all(connection, &sql, [], |row| {
        let fields: Option<String> = row.get(2)?;
        let resend = fields.and_then(|json| serde_json::from_str::<ResendSince>(&json).ok());
        Ok(ResendRequest {
            number: row.get(0)?,
            command_id: row.get(1)?,
            since: resend.map_or(0, |resend| resend.since),
            taken_at: row.get(3)?,
        })
    })
}
