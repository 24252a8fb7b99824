//! `outbox`: listing, retrying and dropping posts.

use archety_relay::clock::{Clock, SystemClock};
use archety_relay::state::State;
use archety_relay::state::outbox::{self, NewPost, PostState};
use shared_protocol::{Event, MessageIdentity, RelayName};

use super::*;

/// Puts a post into the outbox.
pub(crate) fn enqueue(state: &State, guid: &str) {
    let id = MessageIdentity {
        relay: &RelayName::default(),
        message_guid: guid,
        event: Event::Message,
        revision: 0,
    }
    .webhook_id();
    let post = NewPost {
        lane: "-;+15550100001",
        webhook_id: &id,
        message_guid: guid,
        event: Event::Message,
        revision: 0,
        body: b"{}",
        now: SystemClock.now(),
    };
    state
        .write(|tx| outbox::enqueue(tx, &post))
        .expect("written");
}

fn states(home: &Home) -> Vec<PostState> {
    let state = home.state();
    let posts_of = |guid| state.read(|c| outbox::of_guid(c, guid)).expect("read");
    ["A", "B"]
        .into_iter()
        .flat_map(posts_of)
        .map(|post| post.state)
        .collect()
}

#[test]
fn pending_posts_are_listed_retried_and_dropped() {
    let home = Home::new();
    // The state is opened once for both posts: a process that another test starts inherits the lock and
    // holds it for a moment.
    let state = home.state();
    for guid in ["A", "B"] {
        enqueue(&state, guid);
    }
    drop(state);
    let run = home.relay(&["outbox", "list"]);
    assert_eq!(run.expect_code(0).lines().count(), 3, "{run:?}");
    let listed = home.relay(&["outbox", "list", "--json"]).json();
    assert_eq!(listed[0]["message_guid"], "A");
    assert_eq!(listed[1]["seq"], 2);

    home.relay(&["outbox", "retry", "1"]).expect_code(0);
    let run = home.relay(&["outbox", "retry", "7"]);
    run.expect_code(1);
    run.expect_err("7 is neither pending nor parked");

    let run = home.relay(&["outbox", "drop", "1"]);
    run.expect_code(1);
    run.expect_err("--yes");
    assert_eq!(states(&home), [PostState::Pending, PostState::Pending]);
    home.relay(&["outbox", "drop", "--yes", "1"]).expect_code(0);
    assert_eq!(states(&home), [PostState::Dropped, PostState::Pending]);
    home.relay(&["outbox", "drop", "--yes", "1"]).expect_code(1);
    let dropped = home.relay(&["outbox", "list", "--state", "dropped", "--json"]);
    assert_eq!(dropped.json()[0]["message_guid"], "A");
}

#[test]
fn without_a_state_lists_fail_and_create_none() {
    let home = Home::new();
    for command in ["outbox", "quarantine"] {
        let run = home.relay(&[command, "list"]);
        run.expect_code(1);
        assert_eq!(run.err.lines().count(), 1, "{run:?}");
    }
    assert!(!home.path("state").exists(), "no folder is created");
    drop(home.state());
    let run = home.relay(&["outbox", "list"]);
    run.expect_code(0);
    run.expect_err("nothing waits");
}
