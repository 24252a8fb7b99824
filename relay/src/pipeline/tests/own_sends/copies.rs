//! Rows that repeat an own send: from an alias, in a note to self, brought back by iCloud, in a rebuilt chat.db, and in a
//! group in which two lines are.

use chatdb::{Address, Declaration, Lines};
use messages_stand_in::MessageGuids;

use super::*;

/// A second own address.
const ALIAS: &str = "sage@example.com";

fn owning(addresses: &[&str], relay_note_to_self: bool) -> Options {
    Options {
        lines: Lines::new(Declaration {
            own: addresses
                .iter()
                .filter_map(|text| Address::parse(text))
                .collect(),
            ..Declaration::default()
        }),
        relay_note_to_self,
        ..Options::default()
    }
}

impl Mac {
    fn received_from(&mut self, chat: i64, writer: &str, text: &str) -> i64 {
        let handle = self.messages.ensure_handle(writer, "iMessage").unwrap();
        let row = NewMessage::incoming(handle, self.now()).text(text);
        self.messages.deliver(chat, &row).unwrap()
    }
}

#[test]
fn a_copy_from_an_alias_is_never_posted_in_either_order() {
    for is_known in [true, false] {
        for copy_first in [true, false] {
            let mut mac = answered_mac();
            if is_known {
                mac.start(FirstRun::Now, owning(&[OWN, ALIAS], false));
            }
            mac.advance(Duration::from_micros(250_001));
            mac.send_bubble("cmd_a", "Hi Ada");
            let (chat, _) = mac.direct_chat(ADA);
            let mut copies = Vec::new();
            if copy_first {
                copies.push(mac.received_from(chat, ALIAS, "Hi Ada"));
                mac.run_relay();
            }
            let row = mac.own_row("Hi Ada");
            mac.run_relay();
            copies.push(mac.received_from(chat, ALIAS, "Hi Ada"));
            mac.run_relay();
            mac.advance(secs(5));
            mac.sweep();
            assert_eq!(later_texts(&mac), [""; 0], "{is_known} {copy_first}");
            assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
            assert!(mac.is_own_send(row));
            let is_copy = |copy: &i64| mac.outcome(*copy) == Some(RowOutcome::Twin);
            assert!(copies.iter().all(is_copy));
        }
    }
}

#[test]
fn a_copy_in_the_chat_with_the_alias_is_never_posted_in_either_order() {
    for copy_first in [true, false] {
        let mut mac = answered_mac();
        mac.advance(Duration::from_micros(250_001));
        mac.send_bubble("cmd_a", "Hi Ada");
        let alias_chat = mac.messages.insert_chat(&Chat::direct(ALIAS)).unwrap();
        let copy = if copy_first {
            let copy = mac.received_from(alias_chat, ALIAS, "Hi Ada");
            mac.own_row("Hi Ada");
            copy
        } else {
            mac.own_row("Hi Ada");
            mac.run_relay();
            mac.received_from(alias_chat, ALIAS, "Hi Ada")
        };
        mac.run_relay();
        assert_eq!(later_texts(&mac), [""; 0], "{copy_first}");
        assert_eq!(mac.outcome(copy), Some(RowOutcome::Twin));
        assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
    }
}

#[test]
fn a_note_to_self_of_the_relay_is_proven_and_neither_of_its_rows_is_posted() {
    for relay_notes in [true, false] {
        for received_first in [true, false] {
            let mut mac = Mac::new();
            mac.start(FirstRun::Now, owning(&[OWN], relay_notes));
            mac.run_relay();
            mac.advance(Duration::from_micros(250_001));
            let (chat, _) = mac.direct_chat(OWN);
            mac.take_reply("cmd_a", &chat_of(OWN), &["remember"]);
            mac.dispatch_next();
            let sent = NewMessage::outgoing(mac.now()).text("remember");
            if received_first {
                mac.received_from(chat, OWN, "remember");
                mac.run_relay();
                mac.messages.deliver(chat, &sent).unwrap();
            } else {
                mac.messages.deliver(chat, &sent).unwrap();
                mac.run_relay();
                mac.received_from(chat, OWN, "remember");
            }
            mac.run_relay();
            mac.advance(secs(5));
            mac.sweep();
            assert_eq!(mac.texts(), [""; 0], "{relay_notes} {received_first}");
            assert_eq!(mac.bubbles(), [BubbleState::Sent]);
        }
    }
}

#[test]
fn an_own_send_that_icloud_brings_back_is_a_copy_and_proves_no_later_bubble() {
    let mut mac = answered_mac();
    mac.advance(Duration::from_micros(250_001));
    mac.send_bubble("cmd_a", "Hi Ada");
    let sent_at = mac.now();
    mac.own_row("Hi Ada");
    mac.run_relay();
    mac.advance(secs(60));
    mac.send_bubble("cmd_b", "Hi Ada");
    let (chat, _) = mac.direct_chat(ADA);
    let copy = NewMessage::outgoing(sent_at).text("Hi Ada");
    let copy = mac.messages.deliver(chat, &copy).unwrap();
    mac.run_relay();
    assert_eq!(mac.outcome(copy), Some(RowOutcome::Twin));
    assert_eq!(
        mac.bubbles(),
        [BubbleState::RowSeen, BubbleState::Dispatched]
    );
    mac.own_row("Hi Ada");
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen; 2]);
    assert_eq!(later_texts(&mac), [""; 0]);
}

#[test]
fn after_a_rebuild_own_sends_are_known_and_open_bubbles_are_proven_by_date() {
    for guids in [MessageGuids::Kept, MessageGuids::Renewed] {
        let mut mac = answered_mac();
        mac.advance(Duration::from_micros(250_001));
        mac.send_bubble("cmd_a", "one");
        mac.own_row("one");
        mac.run_relay();
        mac.advance(secs(5));
        // An older equal text must not prove the next bubble, although its ROWID becomes a high one.
        mac.own_row("two");
        mac.run_relay();
        mac.advance(secs(60));
        mac.send_bubble("cmd_b", "two");
        mac.advance(secs(1));
        mac.messages.rebuild(10, guids).unwrap();
        mac.run_relay();
        assert_eq!(mac.bubbles()[1], BubbleState::Dispatched, "{guids:?}");
        mac.own_row("two");
        mac.run_relay();
        assert_eq!(mac.bubbles(), [BubbleState::RowSeen; 2], "{guids:?}");
        assert_eq!(later_texts(&mac), ["two"]);
        mac.send_bubble("cmd_c", "three");
        mac.own_row("three");
        mac.run_relay();
        assert_eq!(mac.bubbles()[2], BubbleState::RowSeen);
        assert_eq!(later_texts(&mac), ["two"]);
    }
}

#[test]
fn a_send_of_one_line_that_another_line_of_the_group_receives_is_an_own_send() {
    let mut mac = answered_mac();
    mac.start(FirstRun::Now, owning(&[OWN, ALIAS], false));
    let group = Chat::group([ADA, BOB, ALIAS]).with_guid("iMessage;+;chat1");
    let group = mac.messages.insert_chat(&group).unwrap();
    mac.take_reply("cmd_a", "iMessage;+;chat1", &["hi all"]);
    mac.dispatch_next();
    mac.take_reply("cmd_b", "iMessage;+;chat1", &["queued"]);
    let sent = NewMessage::outgoing(mac.now()).text("hi all");
    let sent = mac.messages.deliver(group, &sent).unwrap();
    mac.advance(Duration::from_millis(800));
    let received = mac.received_from(group, ALIAS, "hi all");
    mac.run_relay();
    assert!(mac.is_own_send(sent));
    assert_eq!(mac.outcome(received), Some(RowOutcome::Twin));
    assert_eq!(later_texts(&mac), [""; 0]);
    // Nothing was taken for the owner's, so what is queued stays.
    assert_eq!(mac.bubbles(), [BubbleState::Sent, BubbleState::Queued]);
}
