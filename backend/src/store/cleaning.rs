//! Removes what has served its time, in slices, so that no delete holds its locks for long.
//!
//! Every table is on one of two lists: [`CLEANED`], or [`KEPT`] with the reason. A test compares them
//! with the schema, so that no table grows for ever by oversight.

use std::time::Duration;

use super::execute::Execute;
use super::statement::{Statement, statements};
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::config::Retention;

/// How many rows one statement removes.
const SLICE: i64 = 5_000;

/// Tables that are cleaned here or in `history`; tokens and challenges go with their sessions and codes.
pub const CLEANED: &[&str] = &[
    "auth_events",
    "body_windows",
    "conversations",
    "jobs",
    "messages",
    "otp_challenges",
    "otp_codes",
    "participants",
    "rate_counters",
    "sealed_keys",
    "session_tokens",
    "sessions",
    "tombstones",
    "webhook_receipts",
];

/// Tables that are not, and why.
pub const KEPT: &[(&str, &str)] = &[
    ("_sqlx_migrations", "one row a migration"),
    (
        "accounts",
        "goes with the person, or once the provider has deleted it",
    ),
    ("app_meta", "a handful of facts about the database"),
    ("conversation_aliases", "goes with the conversation"),
    (
        "mentions",
        "goes with the message, or with the person mentioned",
    ),
    ("onboarding_sessions", "goes with the person"),
    ("relationships", "goes with the person"),
    (
        "relay_lines",
        "a relay's own addresses; replaced as a whole",
    ),
    ("relays", "one row a relay"),
    ("trait_profiles", "goes with the person"),
    ("user_traits", "goes with the person"),
    ("users", "until the person or the operator has them deleted"),
];

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
    /// What waits for an operator is not given up, and stays.
    DELETE_DEAD_JOBS {
        both: "delete from jobs where id in (select id from jobs where dead_at < $1 limit $2)",
    }
    /// Those without an end are for ever.
    DELETE_OLD_TOMBSTONES {
        both: "delete from tombstones where hash in (
                 select hash from tombstones where expires_at < $1 limit $2)",
    }
    /// What they signed has expired as well.
    DELETE_OLD_KEYS {
        both: "delete from sealed_keys where id in (
                 select id from sealed_keys where expires_at < $1 limit $2)",
    }
}

impl Store {
    /// How long a signed request is remembered. A timestamp may lie five minutes ahead and stays
    /// acceptable until five minutes after; one more minute covers clocks of replicas that differ.
    pub const RECEIPT_TTL: Duration = Duration::from_mins(11);

    /// Removes what no longer matters at `now`. Tells how many rows went.
    pub async fn clean(&self, keep: &Retention, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.minus(Self::RECEIPT_TTL);
        let mut removed = self.clean_codes(now).await?;
        for (statement, before) in [
            (DELETE_OLD_RECEIPTS, before),
            (DELETE_OLD_BODY_WINDOWS, before),
            (DELETE_OLD_EVENTS, now.minus(keep.auth_events)),
            (DELETE_ENDED_SESSIONS, now.minus(keep.sessions)),
            (DELETE_EXPIRED_SESSIONS, now.minus(keep.sessions)),
            (DELETE_DEAD_JOBS, now.minus(keep.dead_jobs)),
            (DELETE_OLD_TOMBSTONES, now),
            (DELETE_OLD_KEYS, now),
        ] {
            removed += self.clean_table(statement, before).await?;
        }
        Ok(removed)
    }

    async fn clean_table(
        &self,
        statement: Statement,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let rows = self
                .pools
                .writes()
                .execute(statement, (before, SLICE))
                .await?;
            removed += rows;
            if rows < SLICE.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
