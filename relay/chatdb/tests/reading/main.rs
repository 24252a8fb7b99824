//! Reading the chat.db of every macOS.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod databases;
mod files;
mod rows;
mod sent;

use chatdb::Row;
use messages_stand_in::{Chat, ChatDb as StandIn, Date};

const ADA: &str = "+15550100001";
const BOB: &str = "bob@example.com";
const NOW: i64 = 1_790_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

fn now() -> Date {
    Date::from_unix_micros(NOW)
}

/// Creates a direct chat with `peer`. Returns the ROWIDs of the chat and of the peer's handle.
fn direct(messages: &mut StandIn, peer: &str) -> (i64, i64) {
    let chat = messages.insert_chat(&Chat::direct(peer)).unwrap();
    (chat, messages.ensure_handle(peer, "iMessage").unwrap())
}

/// The row of a database that has exactly one.
fn only_row(db: &chatdb::ChatDb) -> Row {
    let mut rows = db.rows_after(0, 10).unwrap();
    assert_eq!(rows.len(), 1);
    rows.pop().unwrap()
}
