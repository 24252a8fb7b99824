//! The statements of the owner's commands on the ledger: list bubbles, and decide about one that waits for them.

use rusqlite::{Connection, Row, params};

use super::super::query;
use super::{BubbleNumber, BubbleState, UNFINISHED, transitions};
use crate::clock::UnixMicros;

/// The code of what the owner has decided.
pub const BY_OWNER: &str = "owner";

/// Which bubbles are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Those that the owner may decide about: held and unknown.
    ForOwner,
    /// Those that wait for Messages or for the owner.
    Unfinished,
    /// All that the ledger still has, newest first.
    All,
}

/// A bubble as the owner's commands show it: without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub number: BubbleNumber,
    /// Id of the command.
    pub command_id: String,
    pub kind: String,
    /// Number within the command, from 0.
    pub bubble: u32,
    pub state: BubbleState,
    pub code: Option<String>,
    /// When the state was reached.
    pub reached_at: UnixMicros,
    pub taken_at: UnixMicros,
    pub dispatched_at: Option<UnixMicros>,
    /// Whether another installation may have sent it.
    pub is_handed: bool,
    /// The chat guid without its service, which contains an address; `None` if it was forgotten.
    pub conversation: Option<String>,
    pub line: Option<String>,
    /// `message.guid` of its row.
    pub message_guid: Option<String>,
    /// Whether its text is still there, so that it can be sent again.
    pub has_text: bool,
}

const COLUMNS: &str = "b.number, c.id, c.kind, b.bubble, b.state, b.code, b.reached_at, c.taken_at,
    b.dispatched_at, b.handed, c.conversation, c.line, b.message_guid, b.text is not null";

fn read_entry(row: &Row<'_>) -> rusqlite::Result<LedgerEntry> {
    Ok(LedgerEntry {
        number: row.get(0)?,
        command_id: row.get(1)?,
        kind: row.get(2)?,
        bubble: row.get(3)?,
        state: row.get(4)?,
        code: row.get(5)?,
        reached_at: row.get(6)?,
        taken_at: row.get(7)?,
        dispatched_at: row.get(8)?,
        is_handed: row.get(9)?,
        conversation: row.get(10)?,
        line: row.get(11)?,
        message_guid: row.get(12)?,
        has_text: row.get(13)?,
    })
}

/// Up to `limit` bubbles, the oldest first unless all are listed.
pub fn list(
    connection: &Connection,
    listing: Listing,
    limit: usize,
) -> rusqlite::Result<Vec<LedgerEntry>> {
    let which = match listing {
        Listing::ForOwner => {
            format!("where b.{UNFINISHED} and b.state in ('held', 'unknown') order by b.number")
        }
        Listing::Unfinished => format!("where b.{UNFINISHED} order by b.number"),
        Listing::All => "order by b.number desc".to_owned(),
    };
    let sql = format!(
        "select {COLUMNS} from ledger_bubble b join ledger_command c on c.number = b.command
         {which} limit ?1"
    );
    query::all(connection, &sql, [limit], read_entry)
}

/// One bubble.
pub fn find(
    connection: &Connection,
    number: BubbleNumber,
) -> rusqlite::Result<Option<LedgerEntry>> {
    let sql = format!(
        "select {COLUMNS} from ledger_bubble b join ledger_command c on c.number = b.command
         where b.number = ?1"
    );
    query::first(connection, &sql, [number], read_entry)
}

/// What the owner decides about a bubble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// It was sent.
    Sent,
    /// It is to be sent, again if it was sent before; neither its line nor its time keeps it.
    Send,
    /// It is not to be sent. The rest of its reply may go.
    Drop,
}

/// Why a decision about a bubble was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolveRefusal {
    /// There is no such bubble.
    Missing,
    /// The owner has nothing to decide in this state.
    State(BubbleState),
    /// Its text is gone, so it cannot be sent.
    NoText,
    /// Its row is in chat.db, so it is not sent again.
    InChatDb,
}

/// Carries out the owner's decision about a bubble that is held or unknown; one that is queued may be dropped.
pub fn resolve(
    tx: &Connection,
    number: BubbleNumber,
    resolution: Resolution,
    now: UnixMicros,
) -> rusqlite::Result<Result<(), ResolveRefusal>> {
    let Some(entry) = find(tx, number)?.filter(|entry| entry.kind == "send_message") else {
        return Ok(Err(ResolveRefusal::Missing));
    };
    let waits = matches!(entry.state, BubbleState::Held | BubbleState::Unknown);
    let may_drop = entry.state == BubbleState::Queued && resolution == Resolution::Drop;
    if !waits && !may_drop {
        return Ok(Err(ResolveRefusal::State(entry.state)));
    }
    let next = match resolution {
        Resolution::Sent => BubbleState::Sent,
        Resolution::Send if entry.message_guid.is_some() => {
            return Ok(Err(ResolveRefusal::InChatDb));
        }
        Resolution::Send if !entry.has_text => return Ok(Err(ResolveRefusal::NoText)),
        Resolution::Send => BubbleState::Queued,
        Resolution::Drop => BubbleState::Cancelled,
    };
    if next == BubbleState::Queued {
        // The first time stays written down: its row may still come.
        let may_be_sent = entry.state == BubbleState::Unknown;
        let sql = "update ledger_bubble
                   set handed = 0, released = 1, due_at = null, earlier_sends = earlier_sends + ?2
                   where number = ?1";
        query::execute(tx, sql, params![number, may_be_sent])?;
    }
    transitions::set(tx, number, next, Some(BY_OWNER), now)?;
    Ok(Ok(()))
}
