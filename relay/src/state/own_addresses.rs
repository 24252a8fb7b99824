//! What the relay has learnt of the owner's addresses, and the lines that it tells.
//!
//! Two values by name: what was learnt, which the pipeline alone writes, and the lines as they are at
//! present, which the heartbeat and `status` show. An earlier release leaves both alone.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use shared_protocol::Line;

use super::meta;

/// Own addresses that chat.db proved, as JSON.
const LEARNT: &str = "own_addresses";
/// The present lines, as JSON.
const LINES: &str = "lines";

/// What was learnt, and chosen for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    /// In the order in which they were learnt.
    pub addresses: Vec<String>,
    /// Name of the one line that there is without a declaration.
    pub name: Option<String>,
}

/// What was learnt; none before the first look at chat.db.
pub fn learnt(connection: &Connection) -> rusqlite::Result<Option<Learnt>> {
    let json = meta::get(connection, LEARNT)?;
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
}

/// The lines as they were when chat.db was last opened, or since.
pub fn lines(connection: &Connection) -> rusqlite::Result<Vec<Line>> {
    let json = meta::get(connection, LINES)?;
    Ok(json
        .and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default())
}

/// Writes both down.
pub fn save(tx: &Connection, learnt: &Learnt, lines: &[Line]) -> rusqlite::Result<()> {
    let json = serde_json::to_string(learnt).expect("plain texts");
    meta::set(tx, LEARNT, &json)?;
    let json = serde_json::to_string(lines).expect("plain texts");
    meta::set(tx, LINES, &json)
}
