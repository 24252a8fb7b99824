//! Bubbles go in order, each once, with their pauses, whatever dies in between.

use std::time::Duration;

use super::super::dispatching::{in_flight, load, requeue, shorten_pauses};
use super::*;

fn ids(state: &State) -> Vec<(String, u32)> {
    let sendable = state.read(|c| sendable(c, 100)).expect("read");
    sendable
        .into_iter()
        .map(|bubble| (bubble.command_id, bubble.bubble))
        .collect()
}

fn with_priority(command: Command, priority: &str) -> Command {
    let mut command = command;
    command
        .fields
        .insert("priority".to_owned(), json!(priority));
    command
}

#[test]
fn codes_go_before_replies_before_schedules_and_then_in_order() {
    let (_dir, state) = state();
    take_one(
        &state,
        &with_priority(reply(1, "cmd_s", &["a"]), "scheduled"),
    );
    take_one(&state, &reply(3, "cmd_r2", &["a"]));
    take_one(&state, &reply(2, "cmd_r1", &["a", "b"]));
    take_one(&state, &with_priority(reply(4, "cmd_o", &["a"]), "otp"));
    let order: Vec<String> = ids(&state).into_iter().map(|(id, _)| id).collect();
    assert_eq!(order, ["cmd_o", "cmd_r1", "cmd_r2", "cmd_s"]);
    assert_eq!(state.read(|c| sendable(c, 2)).expect("read").len(), 2);
}

/// The relay dies right after the commit, before the child process is started or while it runs.
#[test]
fn a_dispatched_bubble_is_not_sent_again_after_a_restart() {
    let (dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi", "you"]));
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    drop(state);
    let state = State::open(dir.path(), after(5)).expect("the same state");
    assert_eq!(ids(&state), []);
    let open = state.read(in_flight).expect("read");
    assert_eq!((open[0].number, open[0].dispatched_at), (first, NOW));
    assert_eq!(open[0].baseline, Some(baseline(10)));
    let again = state
        .write_durably(|tx| dispatch(tx, first, CHAT, &baseline(11), after(5)))
        .expect("written");
    assert!(!again, "it is dispatched once");
    assert_eq!(see_row(&state, 11, "Hi", after(5)), Some(first));
    assert_eq!(ids(&state), [("cmd_a".to_owned(), 1)]);
}

/// The relay dies before the commit: nothing was written, nothing was started.
#[test]
fn a_dispatch_that_was_not_committed_is_done_again() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    let first = state.read(|c| sendable(c, 1)).expect("read").remove(0);
    let died: Result<(), _> = state.write_durably(|tx| {
        assert!(dispatch(tx, first.number, CHAT, &baseline(1), NOW)?);
        Err(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(died.is_err());
    assert!(dispatch_first(&state, 1, NOW).is_some());
}

#[test]
fn the_rest_of_a_reply_waits_for_an_unknown_or_held_bubble_and_other_replies_go() {
    for blocking in [BubbleState::Unknown, BubbleState::Held] {
        let (_dir, state) = state();
        take_one(&state, &reply(1, "cmd_a", &["Hi", "you"]));
        take_one(&state, &reply(2, "cmd_b", &["later"]));
        let first = state.read(|c| sendable(c, 1)).expect("read")[0].number;
        assert!(reach(&state, first, blocking, NOW));
        assert_eq!(ids(&state), [("cmd_b".to_owned(), 0)], "{blocking:?}");
    }
}

#[test]
fn the_rest_of_a_reply_goes_after_a_bubble_that_failed() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi", "you"]));
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    assert!(reach(&state, first, BubbleState::Failed, NOW));
    assert_eq!(ids(&state), [("cmd_a".to_owned(), 1)]);
}

#[test]
fn nothing_is_dispatched_while_the_owner_has_paused() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    state
        .write(|tx| pauses::pause_by_owner(tx, NOW))
        .expect("paused");
    assert_eq!(dispatch_first(&state, 10, NOW), None);
    assert_eq!(states(&state), [BubbleState::Queued]);
    state
        .write(|tx| pauses::resume_by_owner(tx, NOW))
        .expect("resumed");
    assert!(dispatch_first(&state, 10, NOW).is_some());
}

#[test]
fn a_bubble_that_was_not_passed_on_is_put_back() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    let put_back = |due_at| {
        state
            .write_durably(|tx| requeue(tx, first, "not_running", due_at, NOW))
            .expect("written")
    };
    assert!(put_back(after(30)));
    assert!(!put_back(after(60)), "it is not dispatched");
    let again = state.read(|c| sendable(c, 1)).expect("read").remove(0);
    assert_eq!(again.due_at, Some(after(30)));
    assert_eq!(see_row(&state, 11, "Hi", NOW), None, "a row is not its own");
    assert_eq!(dispatch_first(&state, 12, after(30)), Some(first));
}

#[test]
fn a_pause_begins_once_and_a_clock_set_back_does_not_lengthen_it() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi", "you"]));
    dispatch_first(&state, 10, NOW).expect("dispatched");
    see_row(&state, 11, "Hi", NOW);
    let due = || state.read(|c| sendable(c, 1)).expect("read")[0].due_at;
    let shorten = |now| {
        state
            .write(|tx| shorten_pauses(tx, Duration::from_mins(1), now))
            .expect("written")
    };
    assert_eq!(due(), Some(after(1)));
    assert_eq!(shorten(NOW), 0);
    assert_eq!(shorten(after(-6 * 3_600)), 1);
    assert_eq!(due(), Some(after(-6 * 3_600 + 1)));
}

#[test]
fn text_and_target_are_those_of_the_command() {
    let (_dir, state) = state();
    let mut command = reply(1, "cmd_a", &["\"Hi\"\n👋"]);
    let aliases = json!(["any;-;+15550100001"]);
    command.fields.insert("aliases".to_owned(), aliases);
    take_one(&state, &command);
    let bubble = state.read(|c| sendable(c, 1)).expect("read").remove(0);
    assert_eq!(bubble.conversation, CONVERSATION);
    let send = state
        .read(|c| load(c, bubble.number))
        .expect("read")
        .expect("there");
    assert_eq!(send.text, "\"Hi\"\n👋");
    assert_eq!(send.chat_guid, CHAT);
    assert_eq!(send.aliases, ["any;-;+15550100001"]);
    assert_eq!(send.anchor_guid.as_deref(), Some("anchor"));
}

#[test]
fn a_bubble_never_goes_back_by_itself() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    let bubble = dispatch_first(&state, 10, NOW).expect("dispatched");
    assert!(reach(&state, bubble, BubbleState::Failed, NOW));
    assert!(!reach(&state, bubble, BubbleState::Dispatched, NOW));
    assert!(!reach(&state, bubble, BubbleState::Unknown, NOW));
    assert!(
        reach(&state, bubble, BubbleState::Sent, NOW),
        "error 22 after success"
    );
    assert!(reach(&state, bubble, BubbleState::Delivered, NOW));
    assert!(!reach(&state, bubble, BubbleState::Failed, NOW));
}

type Cancel<'a> = &'a dyn Fn(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>;

#[test]
fn a_dispatched_bubble_that_was_forgotten_or_cancelled_is_never_tried_again() {
    let forget = |tx: &rusqlite::Transaction<'_>| {
        let forget = shared_protocol::Forget {
            chat_guids: vec![CHAT.to_owned()],
            message_guids: Vec::new(),
        };
        super::super::cancelling::forget(tx, &forget, NOW)
    };
    let take_over = |tx: &rusqlite::Transaction<'_>| {
        super::super::cancelling::cancel_replies(tx, CONVERSATION, NOW).map(|_| ())
    };
    for (name, cancel) in [("forget", &forget as Cancel<'_>), ("take over", &take_over)] {
        let (_dir, state) = state();
        take_one(&state, &reply(1, "cmd_a", &["Hi", "you"]));
        let first = dispatch_first(&state, 1, NOW).expect("dispatched");
        state.write(|tx| cancel(tx)).expect(name);
        assert_eq!(state.read(in_flight).expect(name).len(), 1, "{name}");
        let put_back = state
            .write_durably(|tx| requeue(tx, first, "messages_not_running", after(60), NOW))
            .expect(name);
        assert!(!put_back, "{name}");
        assert!(ids(&state).is_empty(), "{name}");
        let expected = [BubbleState::Cancelled, BubbleState::Cancelled];
        assert_eq!(states(&state), expected, "{name}");
    }
}

#[test]
fn only_a_queued_bubble_expires() {
    for current in <BubbleState as strum::VariantArray>::VARIANTS {
        let may_expire = current.may_become(BubbleState::Expired);
        assert_eq!(may_expire, *current == BubbleState::Queued, "{current:?}");
    }
}

#[test]
fn a_proven_bubble_does_not_become_unknown() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi"]));
    let first = dispatch_first(&state, 1, NOW).expect("dispatched");
    assert!(reach(&state, first, BubbleState::RowSeen, NOW));
    let gave_up = state.write(|tx| {
        let (from, to) = (BubbleState::Dispatched, BubbleState::Unknown);
        transitions::reach_from(tx, first, from, to, "no_row", NOW)
    });
    assert!(!gave_up.expect("written"));
    assert_eq!(states(&state), [BubbleState::RowSeen]);
}
