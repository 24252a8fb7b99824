//! The ledger: commands are taken once, bubbles go in order and each once, rows prove them, acks are repeated.

use serde_json::json;
use shared_protocol::{AckState, Command, CommandBody};

use super::super::query;
use super::Baseline;
use super::dispatching::{dispatch, sendable};
use super::matching::{OwnRow, RowState, match_row};
use super::owner::{Listing, list};
use super::take::{Take, take};
use super::*;
use crate::clock::UnixMicros;
use crate::state::State;

mod cancelling;
mod dispatching;
mod limits;
mod matching;
mod owner;
mod retention;
mod taking;

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);
const CHAT: &str = "iMessage;-;+15550100001";
const CONVERSATION: &str = "-;+15550100001";
const LINE: &str = "+15550109999";

fn state() -> (tempfile::TempDir, State) {
    let dir = tempfile::tempdir().expect("a folder");
    let state = State::open(dir.path(), NOW).expect("a new state");
    (dir, state)
}

/// Seconds after [`NOW`].
fn after(secs: i64) -> UnixMicros {
    UnixMicros::from_secs(NOW.as_secs() + secs)
}

/// A reply to [`CHAT`] with these bubbles, each after a pause of a second but the first.
fn reply(seq: i64, id: &str, texts: &[&str]) -> Command {
    let bubbles: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"text": text, "pause_ms": if index == 0 { 0 } else { 1_000 }}))
        .collect();
    command(
        json!({"seq": seq, "id": id, "kind": "send_message", "chat_guid": CHAT,
        "anchor_guid": "anchor", "line": LINE, "bubbles": bubbles,
        "not_after": NOW.as_secs() + 6 * 60 * 60}),
    )
}

fn command(json: serde_json::Value) -> Command {
    serde_json::from_value(json).expect("a command")
}

fn take_one(state: &State, command: &Command) -> Take {
    let body: CommandBody = command.parse().expect("valid");
    state
        .write_durably(|tx| take(tx, command, &body, NOW))
        .expect("taken")
}

fn baseline(rowid: i64) -> Baseline {
    Baseline {
        file: "file".to_owned(),
        rowid,
    }
}

/// Dispatches the bubble that could be sent first.
fn dispatch_first(state: &State, rowid: i64, now: UnixMicros) -> Option<BubbleNumber> {
    let first = state.read(|c| sendable(c, 1)).expect("read").pop()?;
    let dispatched =
        state.write_durably(|tx| dispatch(tx, first.number, CHAT, &baseline(rowid), now));
    dispatched.expect("written").then_some(first.number)
}

/// Shows an own row of [`CHAT`] to the ledger.
fn see_row(state: &State, rowid: i64, text: &str, now: UnixMicros) -> Option<BubbleNumber> {
    let guid = format!("row-{rowid}");
    let row = OwnRow {
        guid: &guid,
        file: "file",
        rowid,
        sent_at: now,
        text,
    };
    let row_state = RowState {
        state: BubbleState::RowSeen,
        code: None,
    };
    let matched = state.write(|tx| match_row(tx, &[CONVERSATION], &row, row_state, now));
    matched.expect("matched")
}

/// The states of all bubbles, in the order of their numbers.
fn states(state: &State) -> Vec<BubbleState> {
    let mut entries = state.read(|c| list(c, Listing::All, 1_000)).expect("read");
    entries.reverse();
    entries.into_iter().map(|entry| entry.state).collect()
}

/// Moves a bubble to another state by itself; returns whether it may become that.
fn reach(state: &State, number: BubbleNumber, next: BubbleState, now: UnixMicros) -> bool {
    state
        .write(|tx| transitions::reach(tx, number, next, Some("code"), now))
        .expect("written")
}

/// The texts that the ledger still has.
fn texts(state: &State) -> Vec<String> {
    let sql = "select text from ledger_bubble where text <> '' order by number";
    state
        .read(|c| query::all(c, sql, [], |row| row.get(0)))
        .expect("read")
}

/// The acks to send, as `id bubble state`.
fn acks_of(state: &State) -> Vec<(String, u32, AckState)> {
    let pending = state.read(|c| acks::pending(c, 500)).expect("read");
    pending
        .into_iter()
        .map(|pending| (pending.ack.id, pending.ack.bubble, pending.ack.state))
        .collect()
}

#[test]
fn a_reply_goes_bubble_by_bubble_and_each_is_proven_by_its_row() {
    let (_dir, state) = state();
    assert_eq!(
        take_one(&state, &reply(1, "cmd_a", &["Hi", "you"])),
        Take::New
    );
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    assert_eq!(
        dispatch_first(&state, 10, NOW),
        None,
        "the second waits for the first"
    );
    assert_eq!(see_row(&state, 11, "something else", NOW), None);
    assert_eq!(see_row(&state, 12, "Hi", after(1)), Some(first));
    let second = state.read(|c| sendable(c, 9)).expect("read").remove(0);
    assert_eq!(
        second.due_at,
        Some(after(2)),
        "its pause begins with the row of the first"
    );
    assert_eq!((second.bubble, second.line.as_deref()), (1, Some(LINE)));
    let second = dispatch_first(&state, 12, after(2)).expect("dispatched");
    assert_eq!(see_row(&state, 13, "you ", after(3)), Some(second));
    assert_eq!(states(&state), [BubbleState::RowSeen; 2]);
}
