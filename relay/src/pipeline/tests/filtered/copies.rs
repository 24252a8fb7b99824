//! Copies that iCloud inserts of held messages, or of messages that were posted before a mark was set.

use super::*;

fn precise(mac: &Mac) -> Date {
    mac.pass(Duration::from_micros(250_001));
    mac.now()
}

#[test]
fn a_held_message_and_its_copy_are_posted_once_for_every_precision_of_the_date() {
    for whole_second in [true, false] {
        let mut mac = Mac::new();
        let sent = if whole_second {
            mac.now()
        } else {
            precise(&mac)
        };
        let (chat, _) = mac.peer(ADA);
        mac.messages
            .set_chat_column(chat, "is_filtered", 2)
            .unwrap();
        mac.said(ADA, "hello", sent);
        mac.look();
        mac.pass_in_touch(hours(26));
        mac.said(ADA, "hello", sent);
        mac.look();
        mac.messages
            .set_chat_column(chat, "is_filtered", 0)
            .unwrap();
        mac.look();
        mac.look();
        assert_eq!(mac.texts(), ["hello"], "{whole_second}");
        assert!(mac.filtered().is_empty());
    }
}

#[test]
fn two_held_equal_messages_of_one_second_are_both_posted() {
    let mut mac = Mac::new();
    let (chat, _) = mac.peer(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", 2)
        .unwrap();
    let sent = mac.now();
    mac.said(ADA, "ok", sent);
    mac.said(ADA, "ok", sent);
    mac.look();
    mac.pass(hours(30));
    mac.messages
        .set_chat_column(chat, "is_filtered", 0)
        .unwrap();
    mac.look();
    assert_eq!(mac.texts(), ["ok", "ok"]);
}

#[test]
fn a_copy_of_a_posted_message_is_not_listed() {
    let mut mac = Mac::new();
    let sent = precise(&mac);
    mac.said(ADA, "hello", sent);
    mac.look();
    mac.pass_in_touch(hours(26));
    let (chat, _) = mac.peer(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", 2)
        .unwrap();
    let copy = mac.said(ADA, "hello", sent);
    mac.look();
    assert_eq!(mac.outcome(copy), Some(RowOutcome::Twin));
    assert!(mac.filtered().is_empty());
}

#[test]
fn a_held_message_and_a_copy_that_arrives_with_the_lifted_mark_give_one_post() {
    let mut mac = Mac::new();
    let (chat, _) = mac.peer(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", 2)
        .unwrap();
    let sent = precise(&mac);
    mac.said(ADA, "hello", sent);
    mac.look();
    mac.pass_in_touch(hours(26));
    mac.messages
        .set_chat_column(chat, "is_filtered", 0)
        .unwrap();
    mac.said(ADA, "hello", sent);
    mac.look();
    mac.look();
    assert_eq!(mac.texts(), ["hello"]);
    assert!(mac.filtered().is_empty());
}

#[test]
fn held_messages_are_posted_before_the_message_that_arrives_with_the_lifted_mark() {
    for restarted in [true, false] {
        let mut mac = Mac::new();
        let (chat, _) = mac.peer(ADA);
        mac.messages
            .set_chat_column(chat, "is_filtered", 2)
            .unwrap();
        for text in ["one", "two"] {
            mac.says(ADA, text);
            mac.pass(secs(60));
        }
        let lift_and_say = |messages: &mut StandIn, now: Date| {
            messages.set_chat_column(chat, "is_filtered", 1).unwrap();
            let (chat, ada) = peer(messages, ADA);
            let three = NewMessage::incoming(ada, now).text("three");
            messages.deliver(chat, &three).unwrap();
        };
        if restarted {
            mac.look();
            let now = mac.now();
            lift_and_say(&mut mac.messages, now);
            mac.look();
        } else {
            let lift = |messages: &mut StandIn, clock: &ManualClock, step| {
                if step == 1 {
                    lift_and_say(messages, date(clock.now().as_micros()));
                }
            };
            mac.watch(lift, 3);
        }
        assert_eq!(mac.texts(), ["one", "two", "three"], "{restarted}");
    }
}

#[test]
fn a_message_in_a_marked_chat_releases_nothing() {
    let mut mac = Mac::new();
    let row = held(&mut mac, FilterMark::Chat(2), "spam");
    mac.says(ADA, "more of it");
    mac.says(BOB, "hello");
    mac.look();
    assert_eq!(mac.texts(), ["hello"]);
    assert_eq!(mac.filtered().len(), 2);
    assert_eq!(mac.outcome(row), Some(RowOutcome::Spam));
}
