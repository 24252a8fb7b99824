//! The messages that are composed from rows.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod any_row;
mod rows;

use std::rc::Rc;
use std::time::Duration;

use chatdb::{
    Chat, ChatStyle, Composed, Options, PostedContent, Row, SentFlags, WaitReason, compose,
    compose_change,
};

/// A received text in a group with these participants.
fn group_row(participants: &[&str]) -> Row {
    let chat = Chat {
        rowid: 1,
        guid: "any;+;chat1".to_owned(),
        style: ChatStyle::Group,
        identifier: Some("chat1".to_owned()),
        display_name: None,
        account_login: None,
        last_addressed_handle: None,
        filter: 0,
        is_blocked: false,
        other_chats_of_group: Vec::new(),
        posted_as: None,
        participants: participants.iter().map(|&p| p.to_owned()).collect(),
    };
    Row {
        guid: "A".to_owned(),
        text: Some("hi".to_owned()),
        handle: Some("+15550100001".to_owned()),
        chat: Some(Rc::new(chat)),
        ..Row::default()
    }
}

/// What a row that has waited for `waited_millis` is composed to, with the default options.
fn composed(row: &Row, waited_millis: u64) -> Composed {
    compose(
        row,
        &Options::default(),
        Duration::from_millis(waited_millis),
        0,
    )
}

#[test]
fn a_row_waits_a_short_time_for_the_members_of_a_new_group() {
    let without_members = group_row(&[]);
    assert_eq!(
        composed(&without_members, 0),
        Composed::Wait(WaitReason::NoHandle)
    );
    assert!(matches!(composed(&without_members, 500), Composed::Post(_)));
    assert!(matches!(
        composed(&group_row(&["+15550100001"]), 0),
        Composed::Post(_)
    ));
    // A person who leaves the group.
    let leaving = Row {
        item_type: 3,
        ..without_members
    };
    assert!(matches!(composed(&leaving, 0), Composed::Post(_)));
}

#[test]
fn a_message_of_send_later_is_not_posted_before_it_is_sent() {
    for (schedule_type, schedule_state, is_posted) in [
        (0, 0, true),
        (0, 1, true),
        (2, 0, false),
        (2, 1, false),
        (2, 2, true),
        (2, 3, false),
        (2, 4, true),
        (1, 1, false),
        (1, 2, true),
    ] {
        let row = Row {
            is_from_me: true,
            schedule_type,
            schedule_state,
            ..group_row(&["+15550100001"])
        };
        let posts = matches!(composed(&row, 0), Composed::Post(_));
        assert_eq!(
            posts, is_posted,
            "type {schedule_type}, state {schedule_state}"
        );
    }
}

#[test]
fn an_own_message_that_was_not_typed_is_automatic() {
    for (is_from_me, is_auto_reply, schedule_type, is_automatic) in [
        (true, false, 0, false),
        (true, true, 0, true),
        (true, false, 2, true),
        (false, true, 0, false),
    ] {
        let row = Row {
            is_from_me,
            sent: SentFlags {
                is_auto_reply,
                ..SentFlags::default()
            },
            schedule_type,
            schedule_state: 2,
            ..group_row(&["+15550100001"])
        };
        let Composed::Post(message) = composed(&row, 0) else {
            panic!("complete")
        };
        assert_eq!(message.automatic, is_automatic, "{row:?}");
        assert_eq!(message.from_owner, is_from_me);
    }
}

#[test]
fn the_wording_of_a_reaction_is_not_an_edit() {
    let row = |text: Option<&str>| Row {
        associated_type: 2000,
        associated_guid: Some("p:0/B".to_owned()),
        text: text.map(str::to_owned),
        ..group_row(&["+15550100001"])
    };
    let Composed::Post(message) = composed(&row(None), 0) else {
        panic!("a reaction without text is complete")
    };
    let posted = PostedContent::of(&row(None), &message);
    let late = row(Some("Loved \u{201c}hi\u{201d}"));
    let change = compose_change(&late, &Options::default(), &posted, 0).unwrap();
    assert_eq!(change.messages, []);
}
