//! Reads the relay's ledger while the relay runs or is down.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The states of bubbles, by the id of the command and the number of the bubble in it.
pub(crate) type LedgerStates = BTreeMap<(String, u32), String>;

/// What the ledger has.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) states: LedgerStates,
    /// How many acks the backend has not taken.
    pub(crate) pending_acks: usize,
}

impl Ledger {
    /// Reads the ledger in the state of a relay. Without a state it is empty.
    pub(crate) fn read(state_folder: &Path) -> anyhow::Result<Self> {
        let Some(state) = open(state_folder)? else {
            return Ok(Self::default());
        };
        let mut statement = state.prepare(
            "select c.id, b.bubble, b.state, b.ack is not null
             from ledger_bubble b join ledger_command c on c.number = b.command
             where c.kind = 'send_message'",
        )?;
        let mut ledger = Self::default();
        let rows = statement.query_map([], |row| {
            Ok(((row.get(0)?, row.get(1)?), row.get(2)?, row.get(3)?))
        })?;
        for row in rows {
            let (bubble, state, has_ack): (_, _, bool) = row?;
            ledger.states.insert(bubble, state);
            ledger.pending_acks += usize::from(has_ack);
        }
        Ok(ledger)
    }
}

/// Whether a line is paused, because Messages has sent from another one.
pub(crate) fn has_paused_line(state_folder: &Path) -> anyhow::Result<bool> {
    let Some(state) = open(state_folder)? else {
        return Ok(false);
    };
    let sql = "select count(*) from meta where key = 'sending_paused_lines'";
    let paused: i64 = state.query_row(sql, [], |row| row.get(0))?;
    Ok(paused > 0)
}

/// The state of a relay, read-only; `None` without a state.
fn open(state_folder: &Path) -> anyhow::Result<Option<Connection>> {
    let file = state_folder.join("state.db");
    if !file.is_file() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    Ok(Some(Connection::open_with_flags(file, flags)?))
}
