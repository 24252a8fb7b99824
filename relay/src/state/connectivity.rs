//! When the network was last proven to work, and the periods in which it was not.
//!
//! The proof is an answer of the backend with a valid signature. A message that was sent while the network
//! was away may arrive late and still counts as live.

use rusqlite::{Connection, params};

use super::{meta, query};

const LAST_CONTACT: &str = "last_contact_at";

/// A period in which the network was not proven to work. Times in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflinePeriod {
    /// The last proof before the period.
    pub started_at: i64,
    /// The first proof after the period.
    pub ended_at: i64,
}

/// When the network was last proven to work, microseconds since 1970, as [`set_last`] wrote it.
pub fn last(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    meta::number(connection, LAST_CONTACT)
}

pub fn set_last(connection: &Connection, at: i64) -> rusqlite::Result<()> {
    meta::set(connection, LAST_CONTACT, &at.to_string())
}

pub fn add_offline_period(connection: &Connection, period: OfflinePeriod) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "insert into contact_gap (started_at, ended_at) values (?1, ?2)
         on conflict (started_at) do update set ended_at = max(ended_at, excluded.ended_at)",
        params![period.started_at, period.ended_at],
    )
}

/// The periods that ended at or after `since`, oldest first.
pub fn offline_periods_since(
    connection: &Connection,
    since: i64,
) -> rusqlite::Result<Vec<OfflinePeriod>> {
    query::all(
        connection,
        "select started_at, ended_at from contact_gap where ended_at >= ?1 order by started_at",
        [since],
        |row| {
            Ok(OfflinePeriod {
                started_at: row.get(0)?,
                ended_at: row.get(1)?,
            })
        },
    )
}

/// Removes periods that ended before `before`.
pub fn clean(connection: &Connection, before: i64) -> rusqlite::Result<()> {
    query::execute(
        connection,
        "delete from contact_gap where ended_at < ?1",
        [before],
    )
}
