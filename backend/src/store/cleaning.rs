//! Removes what has served its time, in slices, so that no delete holds its locks for long.

use std::time::Duration;

use super::pools::on_writer;
use super::statements::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// How many rows one statement removes.
const SLICE: i64 = 5_000;

statements! {
    DELETE_OLD_RECEIPTS {
        both: "delete from webhook_receipts where (relay, webhook_id, signed_at) in ( \
                 select relay, webhook_id, signed_at from webhook_receipts \
                 where received_at < $1 limit $2)",
    }
    DELETE_OLD_BODY_WINDOWS {
        both: "delete from body_windows where (relay, body_hash) in ( \
                 select relay, body_hash from body_windows where opened_at < $1 limit $2)",
    }
}

impl Store {
    /// How long a signed request is remembered. A timestamp may lie five minutes ahead and stays
    /// acceptable until five minutes after; one more minute covers clocks of replicas that differ.
    pub const RECEIPT_TTL: Duration = Duration::from_mins(11);

    /// Removes receipts and body windows that no longer matter at `now`. Tells how many rows went.
    pub async fn clean(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.minus(Self::RECEIPT_TTL);
        let mut removed = 0;
        for statement in [DELETE_OLD_RECEIPTS, DELETE_OLD_BODY_WINDOWS] {
            loop {
                let rows = on_writer!(self.pools, statement, |pool, sql| {
                    sqlx::query(sql)
                        .bind(before)
                        .bind(SLICE)
                        .execute(pool)
                        .await
                        .map(|done| done.rows_affected())
                })?;
                removed += rows;
                if rows < SLICE.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(removed + self.clean_codes(now).await?)
    }
}
