//! The backend accepts the message of every row, with any content in any column.

use std::time::Duration;

use chatdb::{
    Composed, Lines, PostedContent, Relation, Row, WaitReason, compose, compose_change, lane,
    shorten,
};
use proptest::prelude::*;
use shared_protocol::{Event, MAX_BODY_BYTES, Message};

use super::rows::{END_OF_DATES, any_date, any_options, any_posted_content, any_row};

/// Longer than any row waits.
const LONG_ENOUGH: Duration = Duration::from_hours(24);

/// Asserts that the backend accepts the message, and reads the fields that were composed.
fn assert_acceptable(message: &Message, row: &Row, now: i64) -> Result<(), TestCaseError> {
    prop_assert_eq!(message.violations(), vec![]);
    let mut message = message.clone();
    let body = serde_json::to_vec(&message).unwrap();
    // A body that is too long is shortened: it keeps its text, and as many attachments as fit.
    let sent = shortened_body(&mut message);
    prop_assert!(sent.len() <= MAX_BODY_BYTES, "{} bytes", sent.len());
    prop_assert!(sent == body || body.len() > MAX_BODY_BYTES);
    let parsed = Message::from_json(&sent);
    prop_assert!(parsed.is_ok(), "{parsed:?}");
    let in_range = |date: Option<i64>| date.is_none_or(|date| (0..END_OF_DATES).contains(&date));
    // A message without a date gets the present time.
    if in_range(row.sent_at.or(Some(now))) && in_range(row.edited_at) {
        prop_assert!(parsed.unwrap() == message, "something is lost on the wire");
    }
    let is_message = message.event == Event::Message;
    prop_assert!(is_message || message.revision >= 1 || message.event == Event::Edit);
    prop_assert!(!is_message || message.revision == 0);
    prop_assert_eq!(message.tapback.is_some(), message.event == Event::Tapback);
    prop_assert!(message.from_owner || !row.is_from_me);
    Ok(())
}

/// Asserts that the line is an own address, and that the sender of a received message is not.
fn assert_own_addresses_apart(message: &Message, lines: &Lines) -> Result<(), TestCaseError> {
    if let Some(line) = &message.line {
        prop_assert!(lines.is_own(line), "{line} is no own address");
    }
    if !message.from_owner {
        prop_assert!(
            !lines.is_own(&message.sender),
            "{} is an own address",
            message.sender
        );
        prop_assert!(message.line.as_ref() != Some(&message.sender));
    } else if message.sender != "me" {
        prop_assert_eq!(Some(&message.sender), message.line.as_ref());
    }
    Ok(())
}

/// The body of `message`, which is shortened until the backend accepts its length.
fn shortened_body(message: &mut Message) -> Vec<u8> {
    loop {
        let body = serde_json::to_vec(message).unwrap();
        if body.len() <= MAX_BODY_BYTES || !shorten(message) {
            return body;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_makes_a_message_that_the_backend_accepts(
        row in any_row(),
        options in any_options(),
        waited in prop_oneof![(0..6_000_u64).prop_map(Duration::from_millis), Just(LONG_ENOUGH), Just(Duration::MAX)],
        now in any_date(),
    ) {
        if let Composed::Post(message) = compose(&row, &options, waited, now) {
            assert_acceptable(&message, &row, now)?;
            assert_own_addresses_apart(&message, &options.lines)?;
        }
        // Only a row without a chat waits for ever.
        let at_last = compose(&row, &options, LONG_ENOUGH, now);
        prop_assert_eq!(at_last == Composed::Wait(WaitReason::NoChat), row.chat.is_none());
        prop_assert!(row.chat.is_none() || !matches!(at_last, Composed::Wait(_)));
    }

    #[test]
    fn every_change_makes_messages_that_the_backend_accepts(
        row in any_row(), options in any_options(), posted in any_posted_content(), now in any_date(),
    ) {
        let change = compose_change(&row, &options, &posted, now);
        prop_assert_eq!(change.is_none(), row.chat.is_none());
        let Some(change) = change else { return Ok(()) };
        for message in &change.messages {
            assert_acceptable(message, &row, now)?;
            assert_own_addresses_apart(message, &options.lines)?;
            prop_assert_eq!(message.message_guid.is_some(), true);
            match message.event {
                Event::Edit => {
                    let history = row.summary.history_length.min(i32::MAX as u32);
                    prop_assert!([0, history].contains(&message.revision));
                }
                Event::Unsend | Event::AttachmentUpdate => {}
                Event::Tapback => prop_assert!(matches!(row.relation, Relation::Reaction(_))),
                other => prop_assert!(false, "{other:?} is no change"),
            }
        }
        // Each change is posted once: a second comparison finds no change.
        let again = compose_change(&row, &options, &change.posted, now).unwrap();
        prop_assert_eq!(&again.messages, &vec![]);
        prop_assert_eq!(again.posted, change.posted);
    }

    #[test]
    fn a_row_that_was_just_posted_has_no_change(row in any_row(), options in any_options(), now in any_date()) {
        if let Composed::Post(message) = compose(&row, &options, LONG_ENOUGH, now) {
            let posted = PostedContent::of(&row, &message);
            let change = compose_change(&row, &options, &posted, now).unwrap();
            prop_assert!(change.messages.is_empty(), "{:?}", change.messages[0].event);
            prop_assert_eq!(change.posted, posted);
        }
    }

    #[test]
    fn the_lane_of_a_chat_is_the_same_on_every_service(id in "[+-];[a-z0-9+@.;]{1,20}") {
        let lanes = ["iMessage", "SMS", "RCS", "any"].map(|service| format!("{service};{id}"));
        for guid in &lanes {
            prop_assert_eq!(lane(guid), lane(&lanes[0]));
        }
    }
}
