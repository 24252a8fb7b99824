//! The owner lists what waits for them and decides about it.

use shared_protocol::SendingStatus;

use super::super::dispatching::requeue;
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

fn guids(state: &State) -> Vec<Option<String>> {
    let mut entries = state.read(|c| list(c, Listing::All, 9)).expect("read");
    entries.reverse();
    entries
        .into_iter()
        .map(|entry| entry.message_guid)
        .collect()
}

fn bubble_of(state: &State, guid: &str) -> Option<BubbleNumber> {
    let found = state.read(|c| super::super::matching::bubble_of(c, guid));
    found.expect("read")
}

#[test]
fn the_late_row_of_a_dropped_bubble_is_still_its_row() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    assert_eq!(decide(&state, first, Resolution::Drop), Ok(()));
    assert_eq!(see_row(&state, 11, "Hi", after(120)), Some(first));
    assert_eq!(bubble_of(&state, "row-11"), Some(first));
    assert_eq!(
        states(&state),
        [BubbleState::Cancelled, BubbleState::Queued]
    );
    assert_eq!(see_row(&state, 12, "Hi", after(120)), None, "one row");
}

#[test]
fn a_row_is_that_of_a_dropped_bubble_for_ten_minutes_and_only_if_it_was_passed_on() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    let second = BubbleNumber(first.0 + 1);
    assert_eq!(decide(&state, first, Resolution::Drop), Ok(()));
    assert_eq!(decide(&state, second, Resolution::Drop), Ok(()));
    assert_eq!(see_row(&state, 11, "you", after(61)), None, "the owner's");
    let ten_minutes = 60 + 10 * 60;
    assert_eq!(see_row(&state, 12, "Hi", after(ten_minutes)), None);
    assert_eq!(
        see_row(&state, 13, "Hi", after(ten_minutes - 1)),
        Some(first)
    );
}

#[test]
fn a_bubble_whose_first_row_comes_late_is_not_sent_again() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    assert_eq!(decide(&state, first, Resolution::Send), Ok(()));
    // A later reply with the same text has a row of its own.
    take_one(&state, &reply(2, "cmd_b", &["Hi"]));
    let of_reply = state.read(|c| sendable(c, 9)).expect("read").remove(1);
    let dispatched = state
        .write_durably(|tx| dispatch(tx, of_reply.number, CHAT, &baseline(10), after(61)))
        .expect("written");
    assert!(dispatched);
    assert_eq!(see_row(&state, 11, "Hi", after(62)), Some(first));
    assert_eq!(see_row(&state, 12, "Hi", after(63)), Some(of_reply.number));
    let seen = BubbleState::RowSeen;
    assert_eq!(states(&state), [seen, BubbleState::Queued, seen]);
    let next = state.read(|c| sendable(c, 9)).expect("read");
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].bubble, 1, "the rest of the first reply");
}

/// The first row is in chat.db before the second time, and is read after it.
#[test]
fn a_bubble_that_was_sent_twice_has_two_rows_and_no_third() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    assert_eq!(decide(&state, first, Resolution::Send), Ok(()));
    assert_eq!(dispatch_first(&state, 20, after(61)), Some(first));
    assert_eq!(see_row(&state, 10, "Hi", after(62)), None, "an older row");
    assert_eq!(see_row(&state, 15, "Hi", after(62)), Some(first));
    assert_eq!(see_row(&state, 21, "Hi", after(63)), Some(first));
    assert_eq!(see_row(&state, 22, "Hi", after(64)), None);
    assert_eq!(
        guids(&state)[0].as_deref(),
        Some("row-21"),
        "the newest is watched"
    );
    for guid in ["row-15", "row-21"] {
        assert_eq!(bubble_of(&state, guid), Some(first));
    }
}

#[test]
fn a_bubble_that_was_not_passed_on_the_second_time_keeps_the_first_time() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    assert_eq!(decide(&state, first, Resolution::Send), Ok(()));
    assert_eq!(dispatch_first(&state, 20, after(61)), Some(first));
    let put_back = state
        .write_durably(|tx| requeue(tx, first, "not_running", after(120), after(62)))
        .expect("written");
    assert!(put_back);
    assert_eq!(see_row(&state, 15, "Hi", after(63)), Some(first));
    assert_eq!(state.read(|c| sendable(c, 9)).expect("read")[0].bubble, 1);
}

#[test]
fn the_row_of_another_installation_comes_after_the_owner_has_decided() {
    for (resolution, expected) in [
        (Resolution::Send, BubbleState::RowSeen),
        (Resolution::Drop, BubbleState::Cancelled),
    ] {
        let (_dir, state) = state();
        let mut command = reply(1, "cmd_a", &["Hi"]);
        command.fields.insert("handed".to_owned(), json!(true));
        take_one(&state, &command);
        let number = state.read(handed::open).expect("read")[0].number;
        state
            .write(|tx| handed::not_found(tx, number, NOW))
            .expect("written");
        assert_eq!(decide(&state, number, resolution), Ok(()));
        assert_eq!(
            see_row(&state, 5, "Hi", after(-7 * 3_600)),
            None,
            "before it was made"
        );
        assert_eq!(see_row(&state, 6, "Hi", after(-5)), Some(number));
        assert_eq!(states(&state), [expected]);
    }
}

/// A held bubble was not passed on, so an own row with its text is the owner's.
#[test]
fn a_held_bubble_that_the_owner_has_sent_has_no_row_yet() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    let number = state.read(|c| sendable(c, 9)).expect("read")[0].number;
    assert!(reach(&state, number, BubbleState::Held, NOW));
    assert_eq!(decide(&state, number, Resolution::Send), Ok(()));
    assert_eq!(see_row(&state, 11, "Hi", after(61)), None);
    assert_eq!(dispatch_first(&state, 11, after(62)), Some(number));
    assert_eq!(see_row(&state, 12, "Hi", after(63)), Some(number));
}

/// The row is in chat.db, and Messages has not handed it on: the bubble is unknown still.
#[test]
fn a_bubble_whose_row_is_in_chat_db_is_not_sent_again() {
    let (_dir, state) = state();
    let first = unknown_bubble(&state);
    assert_eq!(see_row(&state, 11, "Hi", after(30)), Some(first));
    assert_eq!(states(&state)[0], BubbleState::Unknown);
    let refusal = Err(ResolveRefusal::InChatDb);
    assert_eq!(decide(&state, first, Resolution::Send), refusal);
    assert_eq!(decide(&state, first, Resolution::Sent), Ok(()));
}

#[test]
fn a_bubble_that_needs_no_decision_is_left_alone() {
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
