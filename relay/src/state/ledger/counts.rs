//! Counts of the ledger, for the heartbeat and `status`.

use rusqlite::Connection;
use shared_protocol::SendingStatus;

use super::super::query;
use super::{BubbleState, UNFINISHED, pauses};
use crate::clock::UnixMicros;

/// How sending fares. The counts read a small partial index.
pub fn sending_status(connection: &Connection) -> rusqlite::Result<SendingStatus> {
    let mut status = SendingStatus {
        paused: pauses::paused_by_owner(connection)?.is_some(),
        stopped_until: pauses::breaker(connection)?
            .map(|breaker| UnixMicros::from_micros(breaker.until).as_secs()),
        ..SendingStatus::default()
    };
    let sql =
        format!("select state, count(*) from ledger_bubble where {UNFINISHED} group by state");
    let counts = query::all(connection, &sql, [], |row| {
        Ok((row.get::<_, BubbleState>(0)?, row.get::<_, u64>(1)?))
    })?;
    for (state, count) in counts {
        match state {
            BubbleState::Queued => status.queued += count,
            BubbleState::Held => status.held += count,
            BubbleState::Dispatched | BubbleState::RowSeen => status.open += count,
            BubbleState::Unknown => status.unknown += count,
            _ => {}
        }
    }
    Ok(status)
}
