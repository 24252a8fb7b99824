//! `quarantine`.

use archety_relay::clock::{Clock, SystemClock};
use archety_relay::state::outbox::{self, PostState};
use archety_relay::state::quarantine::{self, Held};
use shared_protocol::{Message, MessageTime, Mode};

use super::*;

const GUIDS: [&str; 3] = ["A", "B", "C"];

/// A state that holds three messages.
fn home() -> Home {
    let home = Home::new();
    let state = home.state();
    for guid in GUIDS {
        let sent_at = SystemClock.now().as_micros() - 7_200_000_000;
        let mut message = Message::new(
            "iMessage;-;+15550100001",
            Mode::Direct,
            "+15550100001",
            "hello",
            MessageTime::from_micros(sent_at),
            vec!["+15550100001".into()],
        );
        message.message_guid = Some(guid.into());
        let held = Held {
            id: 0,
            guid: guid.into(),
            lane: "-;+15550100001".into(),
            sent_at,
            reason: "late_out_of_order".into(),
            body: serde_json::to_vec(&message).expect("JSON"),
            held_at: sent_at + 3_600_000_000,
        };
        state.write(|tx| quarantine::hold(tx, &held)).expect("held");
    }
    drop(state);
    home
}

fn posted(home: &Home) -> Vec<(String, bool)> {
    let state = home.state();
    let sendable = state
        .read(|c| {
            let entries = outbox::list(c, PostState::Pending, 10)?;
            let seqs: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
            outbox::load(c, &seqs)
        })
        .expect("read");
    let read = |body: &[u8]| Message::from_json(body).expect("a message");
    let told = sendable.iter().map(|post| read(&post.body));
    told.map(|m| (m.message_guid.unwrap_or_default(), m.is_backfill))
        .collect()
}

#[test]
fn what_is_held_is_listed_without_its_text() {
    let home = home();
    let run = home.relay(&["quarantine", "list"]);
    assert_eq!(run.ends_with(0).lines().count(), 4, "{run:?}");
    assert!(
        !run.out.contains("hello") && !run.out.contains("5550100001"),
        "{run:?}"
    );
    let listed = home.relay(&["quarantine", "list", "--json"]).json();
    assert_eq!(listed[2]["message_guid"], "C");
    assert_eq!(listed[0]["reason"], "late_out_of_order");
}

#[test]
fn what_is_released_goes_out_and_what_is_dropped_never_does() {
    let home = home();
    home.relay(&["quarantine", "release", "1"]).ends_with(0);
    home.relay(&["quarantine", "release", "--as-old", "2"])
        .ends_with(0);
    assert_eq!(
        posted(&home),
        [("A".to_owned(), false), ("B".to_owned(), true)]
    );

    let run = home.relay(&["quarantine", "drop", "--all"]);
    run.ends_with(1);
    run.complains_of("--yes");
    home.relay(&["quarantine", "drop", "--all", "--yes"])
        .ends_with(0);
    let run = home.relay(&["quarantine", "release", "3"]);
    run.ends_with(1);
    run.complains_of("3 is not held");
    assert_eq!(posted(&home).len(), 2);
    home.relay(&["quarantine", "release"]).ends_with(2);
}
