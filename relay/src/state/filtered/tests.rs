//! The list of filtered messages: its numbers, and the messages that an earlier release skipped.

use super::*;
use crate::clock::UnixMicros;
use crate::state::read_position::{self, ReadPosition};
use crate::state::seen::{self, RowOutcome, SeenMessage};
use crate::state::{State, StateError};

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);
const DAY: i64 = 24 * 3600 * 1_000_000;

fn state() -> (tempfile::TempDir, State) {
    let dir = tempfile::tempdir().expect("a folder");
    let state = State::open(dir.path(), NOW).expect("a new state");
    (dir, state)
}

fn filtered_message(guid: &str) -> FilteredMessage {
    FilteredMessage {
        id: 0,
        guid: guid.into(),
        rowid: 1,
        chat_guid: Some("SMS;-;55530".into()),
        reason: "category".into(),
        sent_at: NOW.as_micros(),
        twin_hash: Digest([1; 16]),
        was_old: false,
        held_since: NOW.as_micros(),
        body: Some(b"{}".to_vec()),
        preview_guid: None,
    }
}

fn late_message(guid: &str) -> quarantine::HeldMessage {
    quarantine::HeldMessage {
        id: 0,
        guid: guid.into(),
        lane: "-;+15550100001".into(),
        sent_at: NOW.as_micros(),
        reason: "late_out_of_order".into(),
        body: b"{}".to_vec(),
        held_at: NOW.as_micros(),
    }
}

fn skipped_message(guid: &str, sent_at: i64, seen_at: i64) -> SeenMessage {
    SeenMessage {
        guid: guid.into(),
        rowid: 7,
        sent_at,
        twin_hash: Digest([2; 16]),
        digest: Digest([3; 16]),
        outcome: RowOutcome::Spam,
        is_own_send: false,
        posted: chatdb::PostedContent {
            text_was_empty: false,
            awaits_title: false,
            history_length: 0,
            unsent_parts: 0,
            unsend_revision: 0,
            attachment_revision: 0,
            attachments_digest: Digest([3; 16]),
        },
        seen_at,
        first_chat: None,
    }
}

fn listed(state: &State) -> Vec<(i64, String)> {
    let rows = state.read(list).expect("read");
    rows.into_iter().map(|row| (row.id, row.guid)).collect()
}

#[test]
fn numbers_are_unique_across_the_list_and_the_quarantine() {
    let (_dir, state) = state();
    state
        .write(|tx| hold(tx, &filtered_message("A")))
        .expect("written");
    state
        .write(|tx| quarantine::hold(tx, &late_message("B")))
        .expect("written");
    state
        .write(|tx| hold(tx, &filtered_message("C")))
        .expect("written");
    state
        .write(|tx| hold(tx, &filtered_message("C")))
        .expect("listed already");
    assert_eq!(listed(&state), [(1, "A".into()), (3, "C".into())]);
    assert_eq!(state.read(quarantine::list).expect("read")[0].id, 2);
    state.write(|tx| take(tx, 3)).expect("written");
    state
        .write(|tx| hold(tx, &filtered_message("D")))
        .expect("written");
    state
        .write(|tx| quarantine::hold(tx, &late_message("E")))
        .expect("written");
    assert_eq!(listed(&state), [(1, "A".into()), (4, "D".into())]);
    assert_eq!(state.read(quarantine::list).expect("read")[1].id, 5);
}

#[test]
fn messages_that_an_earlier_release_skipped_are_listed_once() {
    let (dir, state) = state();
    let now = NOW.as_micros();
    state
        .write(|tx| {
            read_position::save(
                tx,
                &ReadPosition {
                    cursor: 9,
                    sequence: 9,
                    floor: now - DAY,
                    last_good_scan_at: now,
                    resume_pending: false,
                    anchors: Vec::new(),
                },
            )?;
            quarantine::hold(tx, &late_message("Q"))?;
            seen::save(tx, &skipped_message("B", now - DAY / 2, now + 1))?;
            seen::save(tx, &skipped_message("A", now - 60, now))?;
            seen::save(
                tx,
                &skipped_message("before the relay began", now - 2 * DAY, now),
            )?;
            seen::save(
                tx,
                &SeenMessage {
                    outcome: RowOutcome::NoteToSelf,
                    ..skipped_message("note", now, now)
                },
            )
        })
        .expect("written");
    assert_eq!(listed(&state), []);
    drop(state);
    for _ in 0..2 {
        let state = State::open(dir.path(), NOW).expect("opened");
        let rows = state.read(list).expect("read");
        let messages: Vec<_> = rows
            .iter()
            .map(|row| (row.id, row.guid.as_str(), row.was_old))
            .collect();
        assert_eq!(messages, [(2, "A", false), (3, "B", true)]);
        assert!(
            rows.iter()
                .all(|row| row.body.is_none() && row.chat_guid.is_none())
        );
        assert_eq!(state.read(|c| of_chat(c, None)).expect("read"), [2, 3]);
    }
    // The owner drops one message, and the row of the other is removed from `seen`: neither is listed again.
    let state = State::open(dir.path(), NOW).expect("opened");
    state
        .write(|tx| {
            take(tx, 2)?;
            seen::set_outcome(tx, "A", RowOutcome::Dropped)?;
            seen::clean(tx, now + 10, 100)
        })
        .expect("written");
    drop(state);
    let state = State::open(dir.path(), NOW).expect("opened");
    assert_eq!(listed(&state), [(3, "B".into())]);
}

#[test]
fn a_failed_transaction_lists_nothing() -> Result<(), StateError> {
    let (_dir, state) = state();
    let failed = state.write(|tx| {
        hold(tx, &filtered_message("A"))?;
        tx.execute("insert into filtered (id) values (null)", [])
    });
    assert!(failed.is_err());
    assert_eq!(listed(&state), []);
    state.write(|tx| hold(tx, &filtered_message("A")))?;
    assert_eq!(
        listed(&state),
        [(1, "A".into())],
        "its number was not used up"
    );
    Ok(())
}
