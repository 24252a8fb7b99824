//! The owner lists what waits for them and decides about it.

use shared_protocol::SendingStatus;

use super::super::owner::{Resolution, ResolveRefusal, resolve};
use super::*;

fn decide(
    state: &State,
    number: BubbleNumber,
    resolution: Resolution,
) -> Result<(), ResolveRefusal> {
    state
        .write_durably(|tx| resolve(tx, number, resolution, after(60)))
        .expect("written")
}

/// A reply of two bubbles, of which the first is unknown.
fn unknown_bubble(state: &State) -> BubbleNumber {
    take_one(state, &reply(1, "cmd_a", &["Hi", "you"]));
    let first = dispatch_first(state, 10, NOW).expect("dispatched");
    assert!(reach(state, first, BubbleState::Unknown, NOW));
    first
}

#[test]
fn an_unknown_bubble_that_was_sent_lets_the_rest_go() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    let listed = state.read(|c| list(c, Listing::ForOwner, 9)).expect("read");
    assert_eq!((listed.len(), listed[0].number), (1, first));
    assert!(listed[0].has_text);
    assert_eq!(decide(&state, first, Resolution::Sent), Ok(()));
    assert_eq!(states(&state), [BubbleState::Sent, BubbleState::Queued]);
    assert_eq!(
        state.read(|c| list(c, Listing::ForOwner, 9)).expect("read"),
        []
    );
    let next = state.read(|c| sendable(c, 9)).expect("read");
    assert_eq!(next[0].bubble, 1);
    assert_eq!(
        see_row(&state, 11, "Hi", after(70)),
        Some(first),
        "its row comes after all"
    );
}

#[test]
fn an_unknown_bubble_is_sent_again_if_the_owner_says_so() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    assert_eq!(decide(&state, first, Resolution::Send), Ok(()));
    let again = state.read(|c| sendable(c, 9)).expect("read").remove(0);
    assert_eq!((again.number, again.is_released), (first, true));
    assert_eq!(dispatch_first(&state, 20, after(61)), Some(first));
}

#[test]
fn a_handed_bubble_is_sent_if_the_owner_says_so() {
    let (_dir, state) = state();
    let mut command = reply(1, "cmd_a", &["Hi"]);
    command.fields.insert("handed".to_owned(), json!(true));
    take_one(&state, &command);
    let number = state.read(handed::open).expect("read")[0].number;
    state
        .write(|tx| handed::not_found(tx, number, NOW))
        .expect("written");
    assert_eq!(decide(&state, number, Resolution::Send), Ok(()));
    assert_eq!(
        take_one(&state, &command),
        Take::Known,
        "the backend says it again"
    );
    assert_eq!(dispatch_first(&state, 20, NOW), Some(number));
}

#[test]
fn a_dropped_bubble_does_not_hold_back_the_rest() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    assert_eq!(decide(&state, first, Resolution::Drop), Ok(()));
    assert_eq!(
        states(&state),
        [BubbleState::Cancelled, BubbleState::Queued]
    );
    let second = state.read(|c| sendable(c, 9)).expect("read")[0].number;
    assert_eq!(decide(&state, second, Resolution::Drop), Ok(()));
    let cancelled = BubbleState::Cancelled;
    let state_refusal = Err(ResolveRefusal::State(cancelled));
    assert_eq!(decide(&state, second, Resolution::Drop), state_refusal);
    let missing = Err(ResolveRefusal::Missing);
    assert_eq!(decide(&state, BubbleNumber(99), Resolution::Drop), missing);
}

#[test]
fn a_bubble_that_nobody_needs_to_decide_about_is_left_alone() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    let queued = state.read(|c| sendable(c, 9)).expect("read")[0].number;
    let refusal = Err(ResolveRefusal::State(BubbleState::Queued));
    assert_eq!(decide(&state, queued, Resolution::Send), refusal);
    dispatch_first(&state, 10, NOW).expect("dispatched");
    let refusal = Err(ResolveRefusal::State(BubbleState::Dispatched));
    for resolution in [Resolution::Sent, Resolution::Send, Resolution::Drop] {
        assert_eq!(decide(&state, queued, resolution), refusal);
    }
}

#[test]
fn the_heartbeat_counts_what_is_not_done() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["1", "2"]));
    take_one(&state, &reply(2, "cmd_b", &["3", "4"]));
    take_one(&state, &reply(3, "cmd_c", &["5"]));
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    assert!(reach(&state, first, BubbleState::Unknown, NOW));
    dispatch_first(&state, 10, NOW).expect("dispatched");
    let third = state.read(|c| sendable(c, 9)).expect("read")[0].number;
    assert!(reach(&state, third, BubbleState::Held, NOW));
    let breaker = pauses::Breaker {
        opened_at: NOW.as_micros(),
        until: after(900).as_micros(),
        code: "not_running".to_owned(),
    };
    state
        .write(|tx| {
            pauses::pause_by_owner(tx, NOW)?;
            pauses::open_breaker(tx, &breaker)
        })
        .expect("written");
    let expected = SendingStatus {
        paused: true,
        queued: 2,
        open: 1,
        held: 1,
        unknown: 1,
        limited: 0,
        stopped_until: Some(after(900).as_secs()),
    };
    assert_eq!(state.read(counts::sending_status).expect("read"), expected);
}
