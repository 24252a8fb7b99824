//! Copies that iCloud brings of what is held back, or of what was told before a mark came.

use super::*;

fn precise(mac: &Mac) -> Date {
    mac.pass(Duration::from_micros(250_001));
    mac.now()
}

#[test]
fn a_copy_of_what_is_held_is_told_once_whatever_the_date_proves() {
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
fn two_equal_messages_of_one_second_that_are_held_are_both_told() {
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
fn a_copy_of_what_was_told_is_not_listed() {
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
    assert_eq!(mac.outcome(copy), Some(Outcome::Twin));
    assert!(mac.filtered().is_empty());
}

#[test]
fn a_copy_that_comes_with_the_lifted_mark_is_told_instead_or_not_at_all() {
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
