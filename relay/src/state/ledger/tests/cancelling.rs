//! What is not sent can be cancelled; what was passed to Messages cannot.

use shared_protocol::{Cancel, Forget};

use super::super::cancelling::{cancel, cancel_replies, forget};
use super::*;

#[test]
fn the_named_commands_are_cancelled_as_far_as_they_are_not_sent() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["1", "2"]));
    take_one(&state, &reply(2, "cmd_b", &["3"]));
    dispatch_first(&state, 10, NOW).expect("dispatched");
    let order = Cancel {
        ids: vec!["cmd_a".to_owned(), "cmd_unheard_of".to_owned()],
        chat_guid: None,
    };
    let cancelled = || state.write(|tx| cancel(tx, &order, NOW)).expect("written");
    assert_eq!(cancelled(), 1);
    assert_eq!(cancelled(), 0);
    let expected = [
        BubbleState::Dispatched,
        BubbleState::Cancelled,
        BubbleState::Queued,
    ];
    assert_eq!(states(&state), expected);
    assert_eq!(texts(&state), ["1", "3"]);
}

#[test]
fn what_the_owner_takes_over_loses_its_replies_and_keeps_codes_and_schedules() {
    let (_dir, state) = state();
    for (seq, priority) in [(1, "reply"), (2, "otp"), (3, "scheduled")] {
        let mut command = reply(seq, &format!("cmd_{priority}"), &["a"]);
        command
            .fields
            .insert("priority".to_owned(), json!(priority));
        take_one(&state, &command);
    }
    let cancelled = |conversation: &str| {
        state
            .write(|tx| cancel_replies(tx, conversation, NOW))
            .expect("written")
    };
    assert_eq!(cancelled("-;+15550100002"), 0);
    assert_eq!(cancelled(CONVERSATION), 1);
    let expected = [
        BubbleState::Cancelled,
        BubbleState::Queued,
        BubbleState::Queued,
    ];
    assert_eq!(states(&state), expected);
}

#[test]
fn what_another_installation_may_have_sent_is_not_cancelled() {
    let (_dir, state) = state();
    let mut command = reply(1, "cmd_a", &["Hi"]);
    command.fields.insert("handed".to_owned(), json!(true));
    take_one(&state, &command);
    let order = Cancel {
        ids: Vec::new(),
        chat_guid: Some("SMS;-;+15550100001".to_owned()),
    };
    assert_eq!(
        state.write(|tx| cancel(tx, &order, NOW)).expect("written"),
        0
    );
    assert_eq!(states(&state), [BubbleState::Queued]);
}

#[test]
fn nothing_readable_of_a_forgotten_person_stays_and_a_late_row_is_still_recognised() {
    let (_dir, state) = state();
    take_one(&state, &reply(1, "cmd_a", &["Hi", "you"]));
    let mut other = reply(2, "cmd_b", &["other"]);
    let other_chat = json!("iMessage;-;+15550100002");
    other.fields.insert("chat_guid".to_owned(), other_chat);
    take_one(&state, &other);
    let first = dispatch_first(&state, 10, NOW).expect("dispatched");
    let order = Forget {
        chat_guids: vec!["any;-;+15550100001".to_owned()],
        message_guids: Vec::new(),
    };
    for _ in 0..2 {
        state.write(|tx| forget(tx, &order, NOW)).expect("written");
    }
    let expected = [
        BubbleState::Dispatched,
        BubbleState::Cancelled,
        BubbleState::Queued,
    ];
    assert_eq!(states(&state), expected);
    assert_eq!(texts(&state), ["other"]);
    let entries = state.read(|c| list(c, Listing::All, 9)).expect("read");
    let conversations: Vec<_> = entries
        .iter()
        .map(|entry| entry.conversation.as_deref())
        .collect();
    assert_eq!(conversations, [Some("-;+15550100002"), None, None]);
    assert_eq!(see_row(&state, 11, "Hi", after(1)), Some(first));
}
