//! Deletes rows that are not needed any more, in slices, so that no statement holds its locks for long.
//!
//! So that no table grows for ever by oversight, a test lists for every table of the schema whether its rows are
//! deleted, or why they stay.

use std::time::Duration;

use super::execute::Execute;
use super::statement::{Statement, statements};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::config::Retention;

/// The number of rows that one statement deletes.
const SLICE: i64 = 5_000;

statements! {
    DELETE_OLD_RECEIPTS {
        both: "delete from webhook_receipts where (relay, webhook_id, signed_at) in (
                 select relay, webhook_id, signed_at from webhook_receipts
                 where received_at < $1 limit $2)",
    }
    DELETE_OLD_BODY_WINDOWS {
        both: "delete from body_windows where (relay, body_hash) in (
                 select relay, body_hash from body_windows where opened_at < $1 limit $2)",
    }
    DELETE_OLD_EVENTS {
        both: "delete from auth_events where id in (
                 select id from auth_events where occurred_at < $1 limit $2)",
    }
    DELETE_ENDED_SESSIONS {
        both: "delete from sessions where id in (
                 select id from sessions where ended_at < $1 limit $2)",
    }
    DELETE_EXPIRED_SESSIONS {
        both: "delete from sessions where id in (
                 select id from sessions where expires_at < $1 limit $2)",
    }
    /// A job without `dead_at` stays: it waits for a worker or for an operator.
    DELETE_DEAD_JOBS {
        both: "delete from jobs where id in (select id from jobs where dead_at < $1 limit $2)",
    }
    /// A tombstone without `expires_at` stays: that of a number that wants no messages.
    DELETE_OLD_TOMBSTONES {
        both: "delete from tombstones where hash in (
                 select hash from tombstones where expires_at < $1 limit $2)",
    }
    /// Bubbles are deleted with their command.
    DELETE_FINISHED_COMMANDS {
        both: "delete from commands where (relay, id) in (
                 select relay, id from commands where done_at < $1 limit $2)",
    }
    DELETE_OLD_TURNS {
        both: "delete from turns where (conversation_id, number) in (
                 select conversation_id, number from turns where decided_at < $1 limit $2)",
    }
    /// Deletes expired signing keys. The tokens that such a key signed have expired as well.
    DELETE_OLD_KEYS {
        both: "delete from sealed_keys where id in (
                 select id from sealed_keys where expires_at < $1 limit $2)",
    }
}

impl Store {
    /// How long the receipt of a signed request is kept. The request's timestamp may be five minutes ahead of our
    /// clock, and is accepted for five minutes after that time; one more minute covers the differences between the
    /// clocks of replicas.
    pub const RECEIPT_TTL: Duration = Duration::from_mins(11);

    /// How long finished commands, the states of their bubbles, and turns are kept. A repeated command is recognised by
    /// its hash for as long.
    pub const COMMAND_TTL: Duration = Duration::from_hours(30 * 24);

    /// Deletes the rows that are not needed any more at `now`. Returns the number of deleted rows.
    pub async fn clean(&self, keep: &Retention, now: Timestamp) -> Result<u64, StoreError> {
        let receipts_before = now.minus(Self::RECEIPT_TTL);
        let mut removed = self.clean_codes(now).await?;
        for (statement, before) in [
            (DELETE_OLD_RECEIPTS, receipts_before),
            (DELETE_OLD_BODY_WINDOWS, receipts_before),
            (DELETE_OLD_EVENTS, now.minus(keep.auth_events)),
            (DELETE_ENDED_SESSIONS, now.minus(keep.sessions)),
            (DELETE_EXPIRED_SESSIONS, now.minus(keep.sessions)),
            (DELETE_DEAD_JOBS, now.minus(keep.dead_jobs)),
            (DELETE_OLD_TOMBSTONES, now),
            (DELETE_OLD_KEYS, now),
            (DELETE_FINISHED_COMMANDS, now.minus(Self::COMMAND_TTL)),
            (DELETE_OLD_TURNS, now.minus(Self::COMMAND_TTL)),
        ] {
            removed += self.clean_table(statement, before, SLICE).await?;
        }
        Ok(removed)
    }

    /// Runs `statement`, which deletes at most `slice` rows older than `before`, until no such row is left.
    pub(super) async fn clean_table(
        &self,
        statement: Statement,
        before: Timestamp,
        slice: i64,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let mut writes = self.pools.writes();
            let rows = writes.execute(statement, (before, slice)).await?;
            removed += rows;
            if rows < slice.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
