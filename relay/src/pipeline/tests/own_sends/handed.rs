//! Bubbles that another installation may have sent are looked for in chat.db, and never sent.

use super::*;

fn take_handed(mac: &Mac, texts: &[&str]) {
    mac.take_command("cmd_handed", &chat_of(ADA), texts, "reply", true);
}

#[test]
fn a_handed_bubble_is_proven_by_its_row_or_unknown() {
    let mut mac = answered_mac();
    let row = mac.own_row("one");
    mac.messages.set_column(row, "is_sent", 1).unwrap();
    mac.run_relay();
    mac.advance(secs(60));
    take_handed(&mac, &["one", "two"]);
    mac.run_relay();
    let ledger = mac.ledger();
    assert_eq!(mac.bubbles(), [BubbleState::Sent, BubbleState::Unknown]);
    assert_eq!(ledger[0].message_guid, mac.messages.guid_of(row).ok());
    assert_eq!(ledger[1].code.as_deref(), Some("handed_elsewhere"));
    // The row may still come from iCloud.
    mac.own_row("two");
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Sent, BubbleState::Unknown]);
    assert!(mac.ledger()[1].message_guid.is_some());
    assert_eq!(later_texts(&mac), ["one"]);
}

#[test]
fn an_older_row_of_equal_text_proves_no_handed_bubble() {
    let mut mac = answered_mac();
    mac.own_row("one");
    mac.run_relay();
    mac.advance_online(hours(7));
    take_handed(&mac, &["one"]);
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Unknown]);
}

#[test]
fn a_relay_that_lost_its_state_takes_its_earlier_sends_for_own_ones() {
    let mut mac = answered_mac();
    let hello = mac.posted().remove(0);
    mac.own_row("one");
    mac.lose_state();
    mac.run_relay();
    take_handed(&mac, &["one", "two"]);
    let guid = hello.message_guid.unwrap();
    let newest = newest(&guid, hello.timestamp.as_micros());
    mac.newest.send(Some(newest)).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen, BubbleState::Unknown]);
    assert_eq!(mac.texts(), [""; 0]);
}
