//! Cancels what is not sent yet, and forgets a person.
//!
//! A bubble that was passed to Messages cannot be taken back. It gets the code of the cancellation, so that it is not
//! tried again if nothing was sent. A bubble that another installation may have sent is not cancelled: its row decides.

use rusqlite::{Connection, Params, params};
use shared_protocol::{Cancel, Forget, conversation_guid};

use super::super::query;
use super::{BubbleNumber, BubbleState, UNFINISHED, transitions};
use crate::clock::UnixMicros;

/// The code of what a command of the backend has cancelled.
pub const BY_BACKEND: &str = "cancelled";
/// The code of what was cancelled because the Mac's owner has written in the chat.
pub const TAKEN_OVER: &str = "taken_over";
/// The code of what was cancelled because the person was deleted.
pub const FORGOTTEN: &str = "forgotten";

/// Cancels the named commands, and all texts to the named chat; returns how many bubbles were cancelled.
pub fn cancel(tx: &Connection, cancel: &Cancel, now: UnixMicros) -> rusqlite::Result<usize> {
    let mut cancelled = 0;
    for id in &cancel.ids {
        let bubbles = cancellable(tx, "c.id = ?1", [id])?;
        cancelled += cancel_all(tx, &bubbles, BY_BACKEND, now)?;
    }
    if let Some(guid) = &cancel.chat_guid {
        let bubbles = cancellable(tx, OF_CHAT, [conversation_guid(guid)])?;
        cancelled += cancel_all(tx, &bubbles, BY_BACKEND, now)?;
    }
    Ok(cancelled)
}

/// Cancels the replies to a conversation, a chat guid without its service, because the owner has taken it over. What
/// was planned for a time stays, and so do codes. Returns how many bubbles were cancelled.
pub fn cancel_replies(
    tx: &Connection,
    conversation: &str,
    now: UnixMicros,
) -> rusqlite::Result<usize> {
    let of_replies = format!("{OF_CHAT} and c.priority = 1");
    let bubbles = cancellable(tx, &of_replies, [conversation])?;
    cancel_all(tx, &bubbles, TAKEN_OVER, now)
}

const OF_CHAT: &str = "c.number in (select command from ledger_chat where conversation = ?1)";

fn cancellable(
    tx: &Connection,
    condition: &str,
    params: impl Params,
) -> rusqlite::Result<Vec<(BubbleNumber, BubbleState)>> {
    let sql = format!(
        "select b.number, b.state from ledger_command c join ledger_bubble b on b.command = c.number
         where b.{UNFINISHED} and b.state in ('queued', 'held', 'dispatched') and b.handed = 0
             and c.kind = 'send_message' and {condition}
         order by b.number"
    );
    query::all(tx, &sql, params, |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Cancels the bubbles, and returns how many it were. Those that are `dispatched` only get the code.
fn cancel_all(
    tx: &Connection,
    bubbles: &[(BubbleNumber, BubbleState)],
    code: &str,
    now: UnixMicros,
) -> rusqlite::Result<usize> {
    let mut cancelled = 0;
    for (number, state) in bubbles {
        if *state == BubbleState::Dispatched {
            let sql = "update ledger_bubble set code = ?2 where number = ?1";
            query::execute(tx, sql, params![number, code])?;
        } else {
            transitions::set(tx, *number, BubbleState::Cancelled, Some(code), now)?;
            cancelled += 1;
        }
    }
    Ok(cancelled)
}

/// Cancels everything to the chats of a deleted person, and removes all texts to them and what names the chats. The
/// hashes stay, so that a row that still comes is recognised; the names of the chats of which one may still come are
/// removed with it ([`retention`](super::retention)).
pub fn forget(tx: &Connection, forget: &Forget, now: UnixMicros) -> rusqlite::Result<()> {
    for guid in &forget.chat_guids {
        let conversation = conversation_guid(guid);
        let sql =
            "select b.number, b.state from ledger_command c join ledger_bubble b on b.command = c.number
                   where (c.conversation = ?1
                           or c.number in (select command from ledger_chat where conversation = ?1))
                       and b.state in ('queued', 'held', 'dispatched') and c.kind = 'send_message'";
        let waiting = query::all(tx, sql, [conversation], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        cancel_all(tx, &waiting, FORGOTTEN, now)?;
        let blank_texts = "update ledger_bubble set text = null
            where text is not null and command in (
                select number from ledger_command where conversation = ?1
                union select command from ledger_chat where conversation = ?1)";
        query::execute(tx, blank_texts, params![conversation])?;
        let blank_chats = "update ledger_command
            set chat_guid = null, conversation = null, aliases = null, anchor_guid = null
            where number in (
                select number from ledger_command where conversation = ?1
                union select command from ledger_chat where conversation = ?1)";
        query::execute(tx, blank_chats, params![conversation])?;
    }
    Ok(())
}
