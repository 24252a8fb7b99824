//! Copies that iCloud inserts of held messages, or of messages that were posted before a mark was set.

use super::*;

fn date_with_microseconds(mac: &Mac) -> Date {
    mac.advance(Duration::from_micros(250_001));
    mac.now()
}

#[test]
fn a_held_message_and_its_copy_are_posted_once_for_every_precision_of_the_date() {
    for whole_second in [true, false] {
        let mut mac = Mac::new();
        let sent = if whole_second {
            mac.now()
        } else {
            date_with_microseconds(&mac)
        };
        let (chat, _) = mac.direct_chat(ADA);
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
            .unwrap();
        mac.receive_dated(ADA, "hello", sent);
        mac.run_relay();
        mac.advance_online(hours(26));
        mac.receive_dated(ADA, "hello", sent);
        mac.run_relay();
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
            .unwrap();
        mac.run_relay();
        mac.run_relay();
        assert_eq!(mac.texts(), ["hello"], "{whole_second}");
        assert!(mac.filtered().is_empty());
    }
}

#[test]
fn two_held_equal_messages_of_one_second_are_both_posted() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
        .unwrap();
    let sent = mac.now();
    mac.receive_dated(ADA, "ok", sent);
    mac.receive_dated(ADA, "ok", sent);
    mac.run_relay();
    mac.advance(hours(30));
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["ok", "ok"]);
}

#[test]
fn a_copy_of_a_posted_message_is_not_listed() {
    let mut mac = Mac::new();
    let sent = date_with_microseconds(&mac);
    mac.receive_dated(ADA, "hello", sent);
    mac.run_relay();
    mac.advance_online(hours(26));
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
        .unwrap();
    let copy = mac.receive_dated(ADA, "hello", sent);
    mac.run_relay();
    assert_eq!(mac.outcome(copy), Some(RowOutcome::Twin));
    assert!(mac.filtered().is_empty());
}

#[test]
fn a_held_message_and_a_copy_that_arrives_with_the_lifted_mark_give_one_post() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
        .unwrap();
    let sent = date_with_microseconds(&mac);
    mac.receive_dated(ADA, "hello", sent);
    mac.run_relay();
    mac.advance_online(hours(26));
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.receive_dated(ADA, "hello", sent);
    mac.run_relay();
    mac.run_relay();
    assert_eq!(mac.texts(), ["hello"]);
    assert!(mac.filtered().is_empty());
}

#[test]
fn held_messages_are_posted_before_the_message_that_arrives_with_the_lifted_mark() {
    for restarted in [true, false] {
        let mut mac = Mac::new();
        let (chat, _) = mac.direct_chat(ADA);
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
            .unwrap();
        for text in ["one", "two"] {
            mac.receive(ADA, text);
            mac.advance(secs(60));
        }
        let lift_and_deliver = |messages: &mut StandIn, now: Date| {
            messages
                .set_chat_column(chat, "is_filtered", Filter::UNKNOWN_SENDER.0)
                .unwrap();
            let (chat, ada) = direct_chat(messages, ADA);
            let three = NewMessage::incoming(ada, now).text("three");
            messages.deliver(chat, &three).unwrap();
        };
        if restarted {
            mac.run_relay();
            let now = mac.now();
            lift_and_deliver(&mut mac.messages, now);
            mac.run_relay();
        } else {
            let lift = |messages: &mut StandIn, clock: &ManualClock, step| {
                if step == 1 {
                    lift_and_deliver(messages, date(clock.now().as_micros()));
                }
            };
            mac.run_steps(lift, 3);
        }
        assert_eq!(mac.texts(), ["one", "two", "three"], "{restarted}");
    }
}

#[test]
fn a_message_in_a_marked_chat_releases_nothing() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "spam");
    mac.receive(ADA, "more of it");
    mac.receive(BOB, "hello");
    mac.run_relay();
    assert_eq!(mac.texts(), ["hello"]);
    assert_eq!(mac.filtered().len(), 2);
    assert_eq!(mac.outcome(row), Some(RowOutcome::Spam));
}
