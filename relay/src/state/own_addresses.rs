//! The owner's addresses that the relay found in chat.db, and the lines that the heartbeat reports.
//!
//! Both are JSON values of `meta`. The pipeline alone writes them; the heartbeat and `status` show the
//! lines. An earlier release reads and writes neither.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use shared_protocol::Line;

use super::meta;

const FOUND: &str = "own_addresses";
const LINES: &str = "lines";

/// The own addresses that chat.db proved, and the name of the line that they make up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundAddresses {
    /// In the order in which they were found.
    pub addresses: Vec<String>,
    /// If the owner declares no lines, all own addresses are one line. This is its name, which stays once it is
    /// chosen; `None` before.
    pub name: Option<String>,
}

/// The addresses that were found; `None` before chat.db was first read for them.
pub fn found(connection: &Connection) -> rusqlite::Result<Option<FoundAddresses>> {
    meta::json(connection, FOUND)
}

/// The owner's lines, as of the last change since chat.db was opened.
pub fn lines(connection: &Connection) -> rusqlite::Result<Vec<Line>> {
    Ok(meta::json(connection, LINES)?.unwrap_or_default())
}

/// Writes the found addresses, and the lines that the heartbeat reports.
pub fn save(tx: &Connection, found: &FoundAddresses, lines: &[Line]) -> rusqlite::Result<()> {
    meta::set_json(tx, FOUND, found)?;
    meta::set_json(tx, LINES, lines)
}
