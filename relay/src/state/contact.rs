//! When the network was last proven, and the gaps before.
//!
//! A message that was sent in a gap may arrive late and is live all the same.

use rusqlite::{Connection, params};

use super::meta;

const LAST_CONTACT: &str = "last_contact_at";

/// A time without proven contact, microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last proof before it.
    pub started_at: i64,
    /// The first proof after it.
    pub ended_at: i64,
}

/// The last proof of contact that was written down.
pub fn last(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    Ok(meta::get(connection, LAST_CONTACT)?.and_then(|text| text.parse().ok()))
}

/// Writes down a proof of contact.
pub fn set_last(connection: &Connection, at: i64) -> rusqlite::Result<()> {
    meta::set(connection, LAST_CONTACT, &at.to_string())
}

/// Writes down a gap.
pub fn add_gap(connection: &Connection, gap: Gap) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "insert into contact_gap (started_at, ended_at) values (?1, ?2)
             on conflict (started_at) do update set ended_at = max(ended_at, excluded.ended_at)",
        )?
        .execute(params![gap.started_at, gap.ended_at])?;
    Ok(())
}

/// The gaps that ended at or after `since`, oldest first.
pub fn gaps_since(connection: &Connection, since: i64) -> rusqlite::Result<Vec<Gap>> {
    let mut statement = connection.prepare_cached(
        "select started_at, ended_at from contact_gap where ended_at >= ?1 order by started_at",
    )?;
    let gaps = statement.query_map([since], |row| {
        Ok(Gap {
            started_at: row.get(0)?,
            ended_at: row.get(1)?,
        })
    })?;
    gaps.collect()
}

/// Removes gaps that ended before `before`.
pub fn clean(connection: &Connection, before: i64) -> rusqlite::Result<usize> {
    connection
        .prepare_cached("delete from contact_gap where ended_at < ?1")?
        .execute([before])
}
