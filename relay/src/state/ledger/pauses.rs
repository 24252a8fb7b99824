//! Pauses of sending: the owner's, the breaker's, and that of a line. All are values of `meta`.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::super::meta;
use crate::clock::UnixMicros;

const PAUSED_SINCE: &str = "sending_paused_since";
const BREAKER: &str = "sending_breaker";
const BREAKER_CLOSED_AT: &str = "sending_breaker_closed_at";
const LINES: &str = "sending_paused_lines";

/// Since when the owner has paused sending; `None` if it is not paused.
pub fn paused_by_owner(connection: &Connection) -> rusqlite::Result<Option<UnixMicros>> {
    Ok(meta::number(connection, PAUSED_SINCE)?.map(UnixMicros::from_micros))
}

/// Pauses sending for the owner; a pause that lasts keeps its beginning.
pub fn pause_by_owner(tx: &Connection, now: UnixMicros) -> rusqlite::Result<()> {
    if paused_by_owner(tx)?.is_none() {
        meta::set(tx, PAUSED_SINCE, &now.as_micros().to_string())?;
    }
    Ok(())
}

/// Ends the owner's pause, the breaker's, and those of all lines.
pub fn resume_by_owner(tx: &Connection, now: UnixMicros) -> rusqlite::Result<()> {
    close_breaker(tx, now)?;
    [PAUSED_SINCE, LINES]
        .iter()
        .try_for_each(|key| meta::remove(tx, key))
}

/// The breaker, after repeated failures. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// When the failures stopped sending. Results of bubbles from before do not count again.
    pub opened_at: i64,
    /// Until when nothing is sent; then one bubble is tried.
    pub until: i64,
    /// Code of the last failure.
    pub code: String,
}

/// The breaker; `None` if it is closed.
pub fn breaker(connection: &Connection) -> rusqlite::Result<Option<Breaker>> {
    meta::json(connection, BREAKER)
}

/// Opens the breaker, or moves its end.
pub fn open_breaker(tx: &Connection, breaker: &Breaker) -> rusqlite::Result<()> {
    meta::set_json(tx, BREAKER, breaker)
}

/// Closes the breaker: the bubble that was tried has gone through, or the owner has resumed sending.
pub fn close_breaker(tx: &Connection, now: UnixMicros) -> rusqlite::Result<()> {
    meta::set(tx, BREAKER_CLOSED_AT, &now.as_micros().to_string())?;
    meta::remove(tx, BREAKER)
}

/// When the breaker was last closed. Results of bubbles from before do not count again.
pub fn breaker_closed_at(connection: &Connection) -> rusqlite::Result<Option<UnixMicros>> {
    Ok(meta::number(connection, BREAKER_CLOSED_AT)?.map(UnixMicros::from_micros))
}

/// Why a line sends nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePause {
    /// Since when, in microseconds since 1970.
    pub since: i64,
    pub code: String,
}

/// The lines that send nothing until the owner resumes, by name.
pub type PausedLines = BTreeMap<String, LinePause>;

pub fn paused_lines(connection: &Connection) -> rusqlite::Result<PausedLines> {
    Ok(meta::json(connection, LINES)?.unwrap_or_default())
}

/// Pauses a line, for example because Messages has sent one of its bubbles from another line.
pub fn pause_line(
    tx: &Connection,
    line: &str,
    code: &str,
    now: UnixMicros,
) -> rusqlite::Result<()> {
    let mut lines = paused_lines(tx)?;
    lines.entry(line.to_owned()).or_insert(LinePause {
        since: now.as_micros(),
        code: code.to_owned(),
    });
    meta::set_json(tx, LINES, &lines)
}
