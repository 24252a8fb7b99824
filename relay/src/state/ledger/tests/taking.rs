//! Commands are taken once, whatever the backend sends again, and told until the backend has taken the acks.

use super::*;

fn mark_all_taken(state: &State) {
    let pending = state.read(|c| acks::pending(c, 500)).expect("read");
    let numbers: Vec<i64> = pending.iter().map(|pending| pending.number).collect();
    state
        .write(|tx| acks::mark_taken(tx, &numbers))
        .expect("written");
}

fn received(id: &str, bubble: u32) -> (String, u32, AckState) {
    (id.to_owned(), bubble, AckState::Received)
}

#[test]
fn a_command_that_comes_again_is_known_and_told_again() {
    let (_dir, state) = state();
    let command = reply(1, "cmd_a", &["Hi", "you"]);
    assert_eq!(take_one(&state, &command), Take::New);
    let both = [received("cmd_a", 0), received("cmd_a", 1)];
    assert_eq!(acks_of(&state), both);
    mark_all_taken(&state);
    assert_eq!(acks_of(&state), []);
    let renumbered = Command { seq: 7, ..command };
    assert_eq!(take_one(&state, &renumbered), Take::Known);
    assert_eq!(acks_of(&state), both);
    assert_eq!(states(&state).len(), 2);
}

#[test]
fn states_since_a_time_are_told_again_in_their_order() {
    let (_dir, state) = state();
    for (seq, id) in [(1, "cmd_a"), (2, "cmd_b"), (3, "cmd_c")] {
        take_one(&state, &reply(seq, id, &[id]));
    }
    mark_all_taken(&state);
    let bubbles: Vec<BubbleNumber> = (0..3)
        .map(|_| dispatch_first(&state, 10, NOW).expect("dispatched"))
        .collect();
    for (bubble, secs) in bubbles.into_iter().zip([60, 30, 10]) {
        assert!(reach(&state, bubble, BubbleState::Failed, after(secs)));
    }
    mark_all_taken(&state);
    // An ack that is still to be sent stays in its place.
    take_one(&state, &reply(4, "cmd_d", &["Hi"]));
    let repeat = |since| {
        state
            .write(|tx| acks::repeat_since(tx, since))
            .expect("written");
        acks_of(&state)
    };
    let failed = |id: &str| (id.to_owned(), 0, AckState::Failed);
    let expected = [received("cmd_d", 0), failed("cmd_b"), failed("cmd_a")];
    assert_eq!(repeat(after(30)), expected);
    assert_eq!(repeat(after(61)), expected);
}

#[test]
fn the_same_id_with_other_content_leaves_the_first_alone() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    let other = reply(2, "cmd_a", &["Hi there"]);
    assert_eq!(take_one(&state, &other), Take::OtherContent);
    assert_eq!(texts(&state), ["Hi"]);
}

/// After a restore the backend makes the same command again. Its text is gone here, and the bubble is not sent again.
#[test]
fn a_command_that_is_done_is_known_by_its_hash() {
    let (_dir, state) = state();
    let command = reply(1, "cmd_a", &["Hi"]);
    take_one(&state, &command);
    let bubble = dispatch_first(&state, 10, NOW).expect("dispatched");
    see_row(&state, 11, "Hi", NOW);
    assert!(reach(&state, bubble, BubbleState::Delivered, NOW));
    assert_eq!(texts(&state), [] as [&str; 0]);
    mark_all_taken(&state);
    assert_eq!(take_one(&state, &command), Take::Known);
    let told = state.read(|c| acks::pending(c, 9)).expect("read");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].ack.state, AckState::Delivered);
    assert_eq!(told[0].ack.message_guid.as_deref(), Some("row-11"));
    assert_eq!(dispatch_first(&state, 12, NOW), None);
}

#[test]
fn a_known_command_that_comes_as_handed_is_not_sent_any_more() {
    let (_dir, state) = state();
    let mut command = reply(1, "cmd_a", &["Hi", "you"]);
    take_one(&state, &command);
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    command.fields.insert("handed".to_owned(), json!(true));
    assert_eq!(take_one(&state, &command), Take::Known);
    assert_eq!(see_row(&state, 11, "Hi", NOW), Some(first));
    assert_eq!(
        dispatch_first(&state, 11, NOW),
        None,
        "the second may have been sent elsewhere"
    );
}

#[test]
fn a_taken_command_survives_a_restart() {
    let (dir, state) = state();
    take_one(&state, &reply(4, "cmd_a", &["Hi"]));
    state
        .write_durably(|tx| take::advance(tx, 4, "cmd_a"))
        .expect("written");
    drop(state);
    let state = State::open(dir.path(), after(5)).expect("the same state");
    assert_eq!(texts(&state), ["Hi"]);
    let position = state.read(take::position).expect("read");
    assert_eq!((position.seq, position.id.as_str()), (4, "cmd_a"));
    assert!(dispatch_first(&state, 1, after(6)).is_some());
}

#[test]
fn the_position_never_moves_back() {
    let (_dir, state) = state();
    let advance = |seq, id: &str| {
        state
            .write_durably(|tx| take::advance(tx, seq, id))
            .expect("written")
    };
    assert!(advance(5, "cmd_e"));
    assert!(!advance(5, "cmd_other"));
    assert!(!advance(3, "cmd_c"));
    let position = state.read(take::position).expect("read");
    assert_eq!((position.seq, position.id.as_str()), (5, "cmd_e"));
}

#[test]
fn an_ack_that_has_changed_is_not_taken_by_the_answer_to_the_old_one() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    take_one(&state, &reply(2, "cmd_b", &["Hi"]));
    let under_way = state.read(|c| acks::pending(c, 500)).expect("read");
    dispatch_first(&state, 10, NOW).expect("dispatched");
    let numbers: Vec<i64> = under_way.iter().map(|pending| pending.number).collect();
    state
        .write(|tx| acks::mark_taken(tx, &numbers))
        .expect("written");
    let dispatched = ("cmd_a".to_owned(), 0, AckState::Dispatched);
    assert_eq!(acks_of(&state), [dispatched]);
}

#[test]
fn refusals_are_told_in_turn_with_the_acks_until_they_are_taken() {
    let (_dir, state) = state();
    let refuse = |id: &str| {
        state
            .write(|tx| take::refuse(tx, id, 1, "unsupported", NOW))
            .expect("written");
    };
    refuse("cmd_a");
    take_one(&state, &reply(2, "cmd_b", &["Hi"]));
    refuse("cmd_c");
    refuse("cmd_c");
    let ids: Vec<String> = acks_of(&state).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids, ["cmd_a", "cmd_b", "cmd_c"]);
    let first_two = state.read(|c| acks::pending(c, 2)).expect("read");
    assert_eq!(first_two[1].ack.id, "cmd_b");
    mark_all_taken(&state);
    assert_eq!(acks_of(&state), []);
}

#[test]
fn other_kinds_are_done_once() {
    let (_dir, state) = state();
    take_one(
        &state,
        &command(json!({"seq": 1, "id": "cmd_a", "kind": "resend_since", "since": 77})),
    );
    let resends = state.read(requests::resends).expect("read");
    assert_eq!((resends.len(), resends[0].since), (1, 77));
    let complete = || {
        state
            .write(|tx| requests::complete(tx, "cmd_a", NOW))
            .expect("written")
    };
    assert!(complete());
    assert!(!complete());
    assert_eq!(state.read(requests::resends).expect("read"), []);
    assert_eq!(states(&state), [BubbleState::Delivered]);
    assert_eq!(state.read(|c| sendable(c, 9)).expect("read"), []);
}
