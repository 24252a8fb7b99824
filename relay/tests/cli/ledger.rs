//! `ledger`, `pause` and `resume`: the owner decides about texts, and stops and continues sending.

use archety_relay::clock::{Clock, SystemClock};
use archety_relay::state::State;
use archety_relay::state::ledger::Baseline;
use archety_relay::state::ledger::dispatching::{dispatch, sendable};
use archety_relay::state::ledger::matching::{OwnRow, RowState, match_row};
use archety_relay::state::ledger::owner::{Listing, list};
use archety_relay::state::ledger::pauses::pause_line;
use archety_relay::state::ledger::{BubbleState, take, transitions};
use shared_protocol::{Bubble, Command, CommandBody, Priority, SendMessage};

use super::*;

const TEXT: &str = "A secret plan";

/// A home whose ledger has a command of two bubbles. The first one is unknown.
fn home_with_unknown() -> Home {
    let home = Home::new();
    let state = home.state();
    let now = SystemClock.now();
    let bubble = |text: &str| Bubble {
        text: text.to_owned(),
        pause_ms: 0,
    };
    let body = CommandBody::SendMessage(SendMessage {
        chat_guid: "iMessage;-;+15550100001".to_owned(),
        aliases: Vec::new(),
        anchor_guid: None,
        line: Some("+15550109999".to_owned()),
        service: None,
        bubbles: vec![bubble(TEXT), bubble("The rest")],
        priority: Priority::Reply,
        not_before: None,
        not_after: now.as_secs() + 3_600,
        quiet: None,
        handed: false,
    });
    let command = Command::new(1, "cmd_1", &body);
    state
        .write_durably(|tx| {
            take::take(tx, &command, &body, now)?;
            let first = sendable(tx, 1)?.remove(0).number;
            let baseline = Baseline {
                file: "a file".to_owned(),
                rowid: 7,
            };
            assert!(dispatch(
                tx,
                first,
                "iMessage;-;+15550100001",
                &baseline,
                now
            )?);
            transitions::reach(tx, first, BubbleState::Unknown, Some("no_row"), now)
        })
        .expect("written");
    drop(state);
    home
}

fn open_beside(home: &Home) -> State {
    State::open_beside(&home.path("state")).expect("a state")
}

fn states(home: &Home) -> Vec<BubbleState> {
    let entries = open_beside(home).read(|c| list(c, Listing::All, 10));
    let mut entries = entries.expect("a list");
    entries.sort_by_key(|entry| entry.number);
    entries.into_iter().map(|entry| entry.state).collect()
}

/// Whether a bubble could be sent now.
fn can_send(home: &Home) -> bool {
    let sendable = open_beside(home).read(|c| sendable(c, 10));
    !sendable.expect("a list").is_empty()
}

#[test]
fn texts_that_wait_for_a_decision_are_listed_without_their_words_and_addresses() {
    let home = home_with_unknown();
    let run = home.relay(&["ledger", "list"]);
    assert_eq!(run.expect_code(0).lines().count(), 2, "{run:?}");
    assert!(
        run.out.contains("unknown") && run.out.contains("no_row"),
        "{run:?}"
    );
    assert!(
        !run.out.contains(TEXT) && !run.out.contains("5550100001"),
        "{run:?}"
    );
    run.expect_err("--sent");
    let listed = home.relay(&["ledger", "list", "--open", "--json"]).json();
    assert_eq!(listed[0]["state"], "unknown");
    assert_eq!(listed[1]["state"], "queued");
    assert_eq!(listed[1]["dispatched_at"], serde_json::Value::Null);
    assert!(!listed.to_string().contains("5550109999"), "{listed}");
}

#[test]
fn the_rest_of_a_reply_waits_until_the_owner_has_decided() {
    for (decision, expected) in [
        ("--sent", BubbleState::Sent),
        ("--send", BubbleState::Queued),
        ("--drop", BubbleState::Cancelled),
    ] {
        let home = home_with_unknown();
        assert!(!can_send(&home), "{decision}");
        home.relay(&["ledger", "resolve", "1", decision])
            .expect_code(0);
        assert_eq!(states(&home), [expected, BubbleState::Queued], "{decision}");
        assert!(can_send(&home), "{decision}");
    }
}

#[test]
fn a_decision_that_cannot_be_carried_out_says_why() {
    let home = home_with_unknown();
    let run = home.relay(&["ledger", "resolve", "2", "--sent"]);
    run.expect_code(1);
    run.expect_err("2 waits to be sent");
    let run = home.relay(&["ledger", "resolve", "9", "--drop"]);
    run.expect_code(1);
    run.expect_err("9 is not in the ledger");
    home.relay(&["ledger", "resolve", "1", "--sent"])
        .expect_code(0);
    let run = home.relay(&["ledger", "resolve", "1", "--send"]);
    run.expect_code(1);
    run.expect_err("1 is sent: there is nothing to decide");
    home.relay(&["ledger", "resolve", "1"]).expect_code(2);
    home.relay(&["ledger", "resolve", "1", "--sent", "--drop"])
        .expect_code(2);
    home.relay(&["ledger", "resolve", "2", "--drop"])
        .expect_code(0);
    assert_eq!(states(&home), [BubbleState::Sent, BubbleState::Cancelled]);
    home.relay(&["ledger", "list"])
        .expect_err("nothing waits for your decision");
}

#[test]
fn a_text_whose_row_is_in_chat_db_is_not_sent_again() {
    let home = home_with_unknown();
    let now = SystemClock.now();
    let row = OwnRow {
        guid: "row",
        file: "a file",
        rowid: 8,
        sent_at: now,
        text: TEXT,
    };
    let seen = RowState {
        state: BubbleState::RowSeen,
        code: None,
    };
    let matched =
        open_beside(&home).write(|tx| match_row(tx, &["-;+15550100001"], &row, seen, now));
    assert!(matched.expect("written").is_some());
    let run = home.relay(&["ledger", "resolve", "1", "--send"]);
    run.expect_code(1);
    run.expect_err("1 is not sent again: it is in chat.db");
    assert_eq!(states(&home), [BubbleState::Unknown, BubbleState::Queued]);
}

#[test]
fn status_shows_a_pause_until_sending_is_resumed() {
    let home = home_with_unknown();
    let sending = |home: &Home| home.relay(&["status", "--json"]).json()["sending"].clone();
    assert_eq!(sending(&home)["unknown"], 1);
    home.relay(&["pause"]).expect_err("1 texts wait");
    home.relay(&["pause"]).expect_code(0);
    assert_eq!(sending(&home)["paused"], true);
    let now = SystemClock.now();
    open_beside(&home)
        .write_durably(|tx| pause_line(tx, "+15550109999", "another_line", now))
        .expect("written");
    let status = home.relay(&["status"]);
    for part in ["paused, until", "need your decision", "(another_line)"] {
        assert!(status.out.contains(part), "{part}: {status:?}");
    }
    home.relay(&["resume"]).expect_code(0);
    let status = home.relay(&["status"]);
    assert!(!status.out.contains("archety-relay resume"), "{status:?}");
}
