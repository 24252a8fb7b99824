//! Rows that changed after they were settled: edits, unsends, late texts, attachments.
//!
//! Messages changes rows in place, so no cursor finds them. Recent rows are compared with the digests
//! of what was settled, and what differs is read whole.

use std::time::Duration;

use chatdb::{ChatDb, Options, ReadError, Reading, Row, compose, compose_change, lane};
use rusqlite::Connection;
use shared_protocol::RelayName;

use super::post::body_of;
use super::settle::enqueue;
use crate::state::quarantine;
use crate::state::seen::{self, Outcome, Seen};

/// Patience that is over: an old row is taken as it is.
const NO_MORE_WAITING: Duration = Duration::from_hours(24);

/// Rows sent at or after `since` whose digest is not the settled one, read whole.
pub(super) fn find(
    db: &ChatDb,
    state: &Connection,
    since: i64,
    cursor: i64,
) -> rusqlite::Result<Result<Vec<Row>, ReadError>> {
    let marks = match db.marks_since(since, cursor) {
        Ok(marks) => marks,
        Err(error) => return Ok(Err(error)),
    };
    let mut changed = Vec::new();
    for mark in marks {
        // A row without a record was there before the relay began, or is still waiting.
        if seen::digest_of(state, &mark.guid)?.is_none_or(|digest| digest == mark.digest) {
            continue;
        }
        match db.row(mark.rowid) {
            Ok(row) => changed.extend(row),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(changed))
}

/// Writes down what a changed row calls for; tells how many posts are new.
pub(super) fn settle_change(
    state: &Connection,
    relay: &RelayName,
    options: &Options,
    row: &Row,
    now: i64,
) -> rusqlite::Result<u32> {
    let Some(before) = seen::find(state, &row.guid)? else {
        return Ok(0);
    };
    let mut after = Seen {
        digest: row.digest,
        ..before.clone()
    };
    let mut enqueued = 0;
    match before.outcome {
        Outcome::Forwarded | Outcome::Backfilled => {
            let Some(change) = compose_change(row, options, &before.known, now) else {
                return Ok(0);
            };
            for mut message in change.messages {
                message.is_backfill = before.outcome == Outcome::Backfilled;
                let lane = lane(&message.chat_guid).to_owned();
                enqueued += enqueue(state, relay, &lane, &mut message, now)?;
            }
            after.known = change.known;
        }
        Outcome::Quarantined => {
            if let Reading::Post(mut message) = compose(row, options, NO_MORE_WAITING, now) {
                after.known = chatdb::Known::of(row, &message);
                quarantine::set_body(state, &row.guid, &body_of(&mut message))?;
            }
        }
        // Sent at last by Messages, or given the content that it lacked.
        Outcome::Scheduled | Outcome::System => {
            if let Reading::Post(mut message) = compose(row, options, NO_MORE_WAITING, now) {
                after.known = chatdb::Known::of(row, &message);
                after.outcome = Outcome::Forwarded;
                let lane = lane(&message.chat_guid).to_owned();
                enqueued += enqueue(state, relay, &lane, &mut message, now)?;
            }
        }
        Outcome::Twin
        | Outcome::Dropped
        | Outcome::Recorded
        | Outcome::Orphaned
        | Outcome::Spam
        | Outcome::NoteToSelf
        | Outcome::LinkPreview => {}
    }
    seen::save(state, &after)?;
    Ok(enqueued)
}
