//! What becomes of a held message, by its owner's word.

use rusqlite::Connection;
use shared_protocol::{Message, RelayName};

use super::post::Postmark;
use crate::clock::UnixMicros;
use crate::state::quarantine;
use crate::state::seen::{self, Outcome};

/// How a held message is released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseAs {
    /// As a message that just came in, to be answered.
    Live,
    /// As an old one: stored, never answered.
    Backfill,
}

/// Puts a held message into the outbox; tells whether it was held. The quarantine and the outbox
/// change in the caller's one transaction.
pub fn release(
    tx: &Connection,
    relay: &RelayName,
    id: i64,
    release_as: ReleaseAs,
    now: UnixMicros,
) -> rusqlite::Result<bool> {
    let Some(held) = quarantine::take(tx, id)? else {
        return Ok(false);
    };
    let mut message = Message::from_json(&held.body).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(error))
    })?;
    message.is_backfill = release_as == ReleaseAs::Backfill;
    let postmark = Postmark {
        relay: relay.clone(),
        reply_via: message.reply_via,
    };
    postmark.enqueue(tx, &held.lane, &mut message, now.as_micros())?;
    let outcome = match release_as {
        ReleaseAs::Live => Outcome::Forwarded,
        ReleaseAs::Backfill => Outcome::Backfilled,
    };
    seen::set_outcome(tx, &held.guid, outcome)?;
    Ok(true)
}

/// Gives a held message up; tells whether it was held.
pub fn give_up(tx: &Connection, id: i64) -> rusqlite::Result<bool> {
    let Some(held) = quarantine::take(tx, id)? else {
        return Ok(false);
    };
    seen::set_outcome(tx, &held.guid, Outcome::Dropped)?;
    Ok(true)
}
