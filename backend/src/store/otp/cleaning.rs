//! Deletes codes, challenges and counters that have expired.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

/// The number of rows that one statement deletes.
const SLICE: i64 = 2_000;
/// How long an expired code is kept: longer than an approval by the code lasts.
const KEPT_AFTER: Duration = Duration::from_hours(1);

statements! {
    /// The foreign key of challenges deletes those of the codes, too. Rows that another replica is deleting are
    /// skipped.
    DELETE_OLD_CODES {
        postgres: "delete from otp_codes where id in (
                     select id from otp_codes where expires_at < $1
                     order by expires_at limit $2 for update skip locked)",
        sqlite: "delete from otp_codes where id in (
                   select id from otp_codes where expires_at < $1 order by expires_at limit $2)",
    }
    DELETE_OLD_COUNTERS {
        postgres: "delete from rate_counters where (scope, key, window_start) in (
                     select scope, key, window_start from rate_counters where expires_at < $1
                     order by expires_at limit $2 for update skip locked)",
        sqlite: "delete from rate_counters where (scope, key, window_start) in (
                   select scope, key, window_start from rate_counters where expires_at < $1
                   order by expires_at limit $2)",
    }
}

impl Store {
    /// Deletes expired codes and counters. Returns the number of deleted rows.
    pub async fn clean_codes(&self, now: Timestamp) -> Result<u64, StoreError> {
        let codes_before = now.minus(KEPT_AFTER);
        let codes = self.clean_table(DELETE_OLD_CODES, codes_before, SLICE);
        let counters = self.clean_table(DELETE_OLD_COUNTERS, now, SLICE);
        Ok(codes.await? + counters.await?)
    }
}
