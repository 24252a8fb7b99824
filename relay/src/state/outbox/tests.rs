//! Statements of the pipeline, the sender and the owner on the outbox.

use shared_protocol::{MessageIdentity, RelayName};

use super::*;
use crate::state::State;

const NOW: UnixMicros = UnixMicros::from_secs(1_700_000_000);

fn state() -> (tempfile::TempDir, State) {
    let dir = tempfile::tempdir().expect("a folder");
    let state = State::open(dir.path(), NOW).expect("a new state");
    (dir, state)
}

fn add(state: &State, lane: &str, guid: &str) -> Option<i64> {
    let id = MessageIdentity {
        relay: &RelayName::default(),
        message_guid: guid,
        event: Event::Message,
        revision: 0,
    }
    .webhook_id();
    let post = NewPost {
        lane,
        webhook_id: &id,
        message_guid: guid,
        event: Event::Message,
        revision: 0,
        body: b"{}",
        now: NOW,
    };
    state.write(|tx| enqueue(tx, &post)).expect("written")
}

fn delivered(seq: i64) -> DeliveredPost {
    DeliveredPost {
        seq,
        message_id: Some("m".into()),
        at: NOW,
        note: None,
        cancels_replies: false,
    }
}

#[test]
fn an_identity_is_enqueued_once_even_after_its_delivery() {
    let (_dir, state) = state();
    assert_eq!(add(&state, "a", "g"), Some(1));
    assert_eq!(add(&state, "a", "g"), None);
    state
        .write(|tx| mark_delivered(tx, &[delivered(1)]))
        .expect("marked");
    assert_eq!(add(&state, "a", "g"), None);
    assert_eq!(state.read(depths).expect("read"), Depths::default());
}

#[test]
fn pages_are_in_the_order_of_the_outbox_and_use_the_indexes() {
    let (_dir, state) = state();
    for n in 0..10 {
        add(
            &state,
            if n % 2 == 0 { "even" } else { "odd" },
            &n.to_string(),
        );
    }
    let seqs = |posts: Vec<PendingPost>| posts.iter().map(|post| post.seq).collect::<Vec<_>>();
    assert_eq!(
        seqs(state.read(|c| pending_after(c, 3, 4)).expect("read")),
        [4, 5, 6, 7]
    );
    assert_eq!(
        seqs(
            state
                .read(|c| pending_of_lane(c, "odd", 4, 9))
                .expect("read")
        ),
        [6, 8, 10]
    );
    let plan: String = state
        .read(|c| {
            c.query_row(
                "explain query plan select seq from outbox where state = 'pending' and lane = 'a' and seq > 1 order by seq",
                [],
                |row| row.get(3),
            )
        })
        .expect("read");
    assert!(plan.contains("outbox_lane"), "{plan}");
}

#[test]
fn a_delivered_post_keeps_no_body() {
    let (_dir, state) = state();
    add(&state, "a", "g");
    assert_eq!(state.read(|c| load(c, &[1])).expect("read").len(), 1);
    state
        .write(|tx| mark_delivered(tx, &[delivered(1)]))
        .expect("marked");
    assert!(state.read(|c| load(c, &[1])).expect("read").is_empty());
    let body: Option<Vec<u8>> = state
        .read(|c| c.query_row("select body from outbox", [], |row| row.get(0)))
        .expect("read");
    assert_eq!(body, None);
}

#[test]
fn parked_posts_wait_for_another_version_or_the_owner() {
    let (_dir, state) = state();
    for guid in ["1", "2"] {
        add(&state, "a", guid);
    }
    let refused = |seq| RefusedPost {
        seq,
        code: "invalid_fields",
        version: "1".into(),
    };
    state
        .write(|tx| park(tx, &[refused(1), refused(2)]))
        .expect("parked");
    let generation_now = || state.read(generation).expect("read");
    let before = generation_now();
    assert_eq!(
        state.write(|tx| revive_parked(tx, "1")).expect("written"),
        0
    );
    assert_eq!(generation_now(), before, "nothing changed");
    assert!(state.write(|tx| retry(tx, 1)).expect("written"));
    assert_eq!(
        state.write(|tx| revive_parked(tx, "2")).expect("written"),
        1
    );
    assert!(generation_now() > before);
    assert_eq!(
        state.read(depths).expect("read"),
        Depths {
            pending: 2,
            parked: 0
        }
    );
}

#[test]
fn a_dropped_post_stays_dropped() {
    let (_dir, state) = state();
    add(&state, "a", "g");
    assert!(state.write(|tx| drop_post(tx, 1, NOW)).expect("written"));
    let failed = FailedPost {
        seq: 1,
        next_attempt_at: NOW,
        code: "timeout",
    };
    state
        .write(|tx| mark_failed(tx, &[failed]))
        .expect("written");
    let post = &state.read(|c| of_guid(c, "g")).expect("read")[0];
    assert_eq!(
        (post.state, post.last_error.as_deref()),
        (PostState::Dropped, None)
    );
    assert!(
        !state.write(|tx| retry(tx, 1)).expect("written"),
        "given up for good"
    );
    assert!(
        !state.write(|tx| drop_post(tx, 7, NOW)).expect("written"),
        "no such post"
    );
}

#[test]
fn only_old_delivered_and_dropped_posts_are_cleaned() {
    let (_dir, state) = state();
    for guid in ["1", "2", "3", "4"] {
        add(&state, "a", guid);
    }
    state
        .write(|tx| mark_delivered(tx, &[delivered(1), delivered(2)]))
        .expect("marked");
    state.write(|tx| drop_post(tx, 3, NOW)).expect("dropped");
    let cleaned = |before| state.write(|tx| clean(tx, before, 2)).expect("cleaned");
    assert_eq!(cleaned(NOW), 0, "not old yet");
    let later = NOW.plus(Duration::from_secs(1));
    assert_eq!([cleaned(later), cleaned(later), cleaned(later)], [2, 1, 0]);
    assert_eq!(state.read(depths).expect("read").pending, 1);
}
