//! `quarantine`: listing, releasing and dropping held messages.

use std::time::Duration;

use archety_relay::clock::{Clock, SystemClock};
use archety_relay::state::State;
use archety_relay::state::filtered::{self, FilteredMessage};
use archety_relay::state::outbox::{self, PostState};
use archety_relay::state::quarantine::{self, HeldMessage};
use shared_protocol::{Message, MessageTime, Mode};

use super::*;

const HOUR_MICROS: i64 = 3_600_000_000;
const GUIDS: [&str; 3] = ["A", "B", "C"];

/// A home with a state that holds three messages.
fn home_with_held() -> Home {
    let home = Home::new();
    let state = home.state();
    for guid in GUIDS {
        let two_hours = Duration::from_hours(2);
        let sent_at = SystemClock.now().minus(two_hours).as_micros();
        let mut message = Message::new(
            "iMessage;-;+15550100001",
            Mode::Direct,
            "+15550100001",
            "hello",
            MessageTime::from_micros(sent_at),
            vec!["+15550100001".into()],
        );
        message.message_guid = Some(guid.into());
        let held = HeldMessage {
            // The state gives the number.
            id: 0,
            guid: guid.into(),
            lane: "-;+15550100001".into(),
            sent_at,
            reason: "late_out_of_order".into(),
            body: serde_json::to_vec(&message).expect("JSON"),
            held_at: sent_at + HOUR_MICROS,
        };
        state.write(|tx| quarantine::hold(tx, &held)).expect("held");
    }
    drop(state);
    home
}

/// The state, opened without its lock, as a command opens it. A test takes the lock only once, because a
/// process that another test starts inherits the lock and holds it for a moment.
fn open_beside(home: &Home) -> State {
    State::open_beside(&home.path("state")).expect("a state")
}

/// The guid of each pending post, and whether it is posted as an old message.
fn posted(home: &Home) -> Vec<(String, bool)> {
    let state = open_beside(home);
    let posts = state
        .read(|c| {
            let listed = outbox::list(c, PostState::Pending, 10)?;
            let seqs: Vec<i64> = listed.iter().map(|post| post.seq).collect();
            outbox::load(c, &seqs)
        })
        .expect("read");
    let read = |body: &[u8]| Message::from_json(body).expect("a message");
    let messages = posts.iter().map(|post| read(&post.body));
    messages
        .map(|message| {
            (
                message.message_guid.unwrap_or_default(),
                message.is_backfill,
            )
        })
        .collect()
}

#[test]
fn held_messages_are_listed_without_their_text() {
    let home = home_with_held();
    let run = home.relay(&["quarantine", "list"]);
    assert_eq!(run.expect_code(0).lines().count(), 4, "{run:?}");
    assert!(
        !run.out.contains("hello") && !run.out.contains("5550100001"),
        "{run:?}"
    );
    let listed = home.relay(&["quarantine", "list", "--json"]).json();
    assert_eq!(listed[2]["message_guid"], "C");
    assert_eq!(listed[0]["reason"], "late_out_of_order");
}

#[test]
fn released_messages_are_posted_and_dropped_ones_are_not() {
    let home = home_with_held();
    home.relay(&["quarantine", "release", "1"]).expect_code(0);
    home.relay(&["quarantine", "release", "--as-old", "2"])
        .expect_code(0);
    assert_eq!(
        posted(&home),
        [("A".to_owned(), false), ("B".to_owned(), true)]
    );

    let run = home.relay(&["quarantine", "drop", "--all"]);
    run.expect_code(1);
    run.expect_err("--yes");
    home.relay(&["quarantine", "drop", "--all", "--yes"])
        .expect_code(0);
    let run = home.relay(&["quarantine", "release", "3"]);
    run.expect_code(1);
    run.expect_err("3 is not held");
    assert_eq!(posted(&home).len(), 2);
    home.relay(&["quarantine", "release"]).expect_code(2);
}

/// [`home_with_held`], with two more messages that filters hold back: one of an hour ago and one of a day ago.
fn home_with_filtered() -> Home {
    let home = home_with_held();
    let state = open_beside(&home);
    let now = SystemClock.now().as_micros();
    for (n, guid, age_hours, reason) in [(1, "D", 1, "spam"), (2, "E", 24, "category")] {
        let sent_at = now - age_hours * HOUR_MICROS;
        let mut message = Message::new(
            "SMS;-;55530",
            Mode::Direct,
            "55530",
            "20 % off",
            MessageTime::from_micros(sent_at),
            vec!["55530".into()],
        );
        message.message_guid = Some(guid.into());
        let held = FilteredMessage {
            // The state gives the number.
            id: 0,
            guid: guid.into(),
            rowid: 7,
            chat_guid: Some("SMS;-;55530".into()),
            reason: reason.into(),
            sent_at,
            twin_hash: chatdb::Digest([n; 16]),
            was_old: false,
            held_since: sent_at,
            body: Some(serde_json::to_vec(&message).expect("JSON")),
            preview_guid: None,
        };
        state.write(|tx| filtered::hold(tx, &held)).expect("held");
    }
    drop(state);
    home
}

#[test]
fn filtered_messages_are_listed_with_their_reason() {
    let home = home_with_filtered();
    let run = home.relay(&["quarantine", "list"]);
    let lines: Vec<_> = run.expect_code(0).lines().collect();
    assert_eq!(lines.len(), 6, "{run:?}");
    assert!(lines[4].starts_with("4   filtered  …5530"), "{run:?}");
    assert!(
        lines[4].contains("spam") && !run.out.contains("off"),
        "{run:?}"
    );
    let listed = home.relay(&["quarantine", "list", "--json"]).json();
    assert_eq!(listed[0]["kind"], "late");
    assert_eq!(
        (&listed[4]["id"], &listed[4]["kind"], &listed[4]["reason"]),
        (&5.into(), &"filtered".into(), &"category".into())
    );
    let only = home.relay(&["quarantine", "list", "--only", "filtered", "--json"]);
    assert_eq!(only.json().as_array().map(Vec::len), Some(2));
    assert_eq!(
        home.relay(&["quarantine", "show", "4"]).json()["text"],
        "20 % off"
    );
    let status = home.relay(&["status"]);
    assert!(status.out.contains("filtered by Apple: 2"), "{status:?}");
    assert!(status.out.contains("quarantine:        3"), "{status:?}");
    let status = home.relay(&["status", "--json"]).json();
    assert_eq!(
        (&status["filtered"], &status["quarantined"]),
        (&2.into(), &3.into())
    );
    let trace = home.relay(&["trace", "E", "--json"]).json();
    assert_eq!(trace["held"], 5);
}

#[test]
fn age_or_flags_decide_whether_a_filtered_message_is_released_as_old() {
    let home = home_with_filtered();
    home.relay(&["quarantine", "release", "4", "5"])
        .expect_code(0);
    assert_eq!(
        posted(&home),
        [("D".to_owned(), false), ("E".to_owned(), true)]
    );
    home.relay(&["quarantine", "show", "4"]).expect_code(1);

    let home = home_with_filtered();
    home.relay(&["quarantine", "release", "4", "--as-old"])
        .expect_code(0);
    home.relay(&["quarantine", "release", "5", "--as-new"])
        .expect_code(0);
    assert_eq!(
        posted(&home),
        [("D".to_owned(), true), ("E".to_owned(), false)]
    );
    home.relay(&["quarantine", "release", "1", "--as-old", "--as-new"])
        .expect_code(2);
}

#[test]
fn all_and_all_filtered_choose_late_and_filtered_messages() {
    let home = home_with_filtered();
    home.relay(&["quarantine", "release", "--all"])
        .expect_code(0);
    let guids: Vec<_> = posted(&home).into_iter().map(|(guid, _)| guid).collect();
    assert_eq!(guids, GUIDS);
    home.relay(&["quarantine", "drop", "--all-filtered"])
        .expect_code(1);
    home.relay(&["quarantine", "drop", "--all-filtered", "--yes"])
        .expect_code(0);
    assert_eq!(
        home.relay(&["quarantine", "list", "--json"]).json(),
        serde_json::json!([])
    );
    assert_eq!(posted(&home).len(), 3);
    home.relay(&["quarantine", "release", "1", "--all-filtered"])
        .expect_code(2);
}

#[test]
fn a_row_that_was_not_read_yet_cannot_be_shown_or_released() {
    let home = home_with_filtered();
    open_beside(&home)
        .write(|tx| tx.execute("update filtered set body = null", []))
        .expect("written");
    home.relay(&["quarantine", "list"]).expect_code(0);
    for args in [["quarantine", "show", "4"], ["quarantine", "release", "4"]] {
        let run = home.relay(&args);
        run.expect_code(1);
        run.expect_err("4 was not read yet");
    }
}

/// A command of this release may run beside a relay of the release before, whose state has no list of filtered
/// messages.
#[test]
fn commands_work_on_a_state_of_the_release_before() {
    let home = Home::new();
    std::fs::create_dir(home.path("state")).expect("made");
    let old_state = rusqlite::Connection::open(home.path("state").join("state.db")).expect("made");
    old_state
        .execute_batch(include_str!("../../src/state/schema.sql"))
        .expect("its tables");
    old_state
        .execute_batch(
            "pragma application_id = 0x41726368;
         pragma user_version = 1;
         insert into quarantine (message_guid, lane, sent_at, reason, body, held_at)
         values ('Q', '-;+15550100001', 1, 'late_out_of_order', x'7b7d', 1);
         insert into seen (guid, message_rowid, sent_at, twin, digest, outcome, text_was_empty,
             attachment_digest, seen_at)
         values ('S', 9, 1, zeroblob(16), zeroblob(16), 'spam', 0, zeroblob(16), 1)",
        )
        .expect("its rows");
    let listed = home.relay(&["quarantine", "list", "--json"]).json();
    let listed: Vec<_> = listed
        .as_array()
        .into_iter()
        .flatten()
        .map(|held| (held["id"].clone(), held["message_guid"].clone()))
        .collect();
    assert_eq!(listed, [(1.into(), "Q".into()), (2.into(), "S".into())]);
    assert_eq!(home.relay(&["status", "--json"]).json()["filtered"], 1);
    home.relay(&["trace", "S"]).expect_code(0);
    home.relay(&["outbox", "list"]).expect_code(0);
    // The relay of the release before can still write into the state.
    old_state
        .execute(
            "insert into seen (guid, message_rowid, sent_at, twin, digest, outcome, text_was_empty,
             attachment_digest, seen_at)
         values ('T', 10, 1, zeroblob(16), zeroblob(16), 'forwarded', 0, zeroblob(16), 1)",
            [],
        )
        .expect("written");
}

#[test]
fn a_row_that_made_the_relay_panic_is_listed_and_cannot_be_released() {
    let home = Home::new();
    let state = home.state();
    let held = HeldMessage {
        id: 0,
        guid: "A".into(),
        lane: String::new(),
        sent_at: 1,
        reason: quarantine::PANICKED.into(),
        body: Vec::new(),
        held_at: 2,
    };
    state.write(|tx| quarantine::hold(tx, &held)).expect("held");
    drop(state);
    let listed = || {
        home.relay(&["quarantine", "list", "--only=unread", "--json"])
            .json()
    };
    assert_eq!(listed()[0]["reason"], "relay_panicked");
    for command in [["quarantine", "show", "1"], ["quarantine", "release", "1"]] {
        let run = home.relay(&command);
        run.expect_code(1);
        run.expect_err("a newer one that starts within a day");
    }
    assert_eq!(listed()[0]["id"], 1, "the row is still held");
    home.relay(&["quarantine", "release", "--all"])
        .expect_code(0);
    assert_eq!(posted(&home), []);
    home.relay(&["quarantine", "drop", "1", "--yes"])
        .expect_code(0);
    assert_eq!(listed(), serde_json::json!([]));
}
