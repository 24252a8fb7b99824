//! The owner edits or unsends a bubble in Messages while the relay does not run. The row's first text proves the bubble.

use super::*;

/// Replaces the edit history of a row by one that shows no text.
fn blank_history(mac: &mut Mac, row: i64) {
    let mut bytes = Vec::new();
    let editions = plist::Value::Array(vec![plist::Value::Integer(1.into()); 2]);
    let parts = [("0".to_owned(), editions)].into_iter().collect();
    let history = [("ec".to_owned(), plist::Value::Dictionary(parts))];
    let summary: plist::Dictionary = history.into_iter().collect();
    plist::Value::Dictionary(summary)
        .to_writer_binary(&mut bytes)
        .unwrap();
    mac.messages
        .set_column(row, "message_summary_info", bytes)
        .unwrap();
}

#[test]
fn a_bubble_that_was_edited_before_the_relay_saw_it_is_proven_by_its_first_text() {
    for edits in [&["Hi Ada!"][..], &["Hello Ada", "Hi Ada!"]] {
        let mut mac = answered_mac();
        mac.send_bubble("cmd_a", "Hi Ada");
        mac.take_reply("cmd_b", &chat_of(ADA), &["queued"]);
        let row = mac.own_row("Hi Ada");
        for edit in edits {
            mac.advance(secs(5));
            mac.messages.edit(row, edit, mac.now()).unwrap();
        }
        mac.run_relay();
        assert_eq!(mac.bubbles(), [BubbleState::RowSeen, BubbleState::Queued]);
        assert!(mac.is_own_send(row));
        mac.messages.edit(row, "Hi!", mac.now()).unwrap();
        mac.messages.set_column(row, "is_sent", 1).unwrap();
        mac.run_relay();
        assert_eq!(mac.bubbles(), [BubbleState::Sent, BubbleState::Queued]);
        assert_eq!(later_texts(&mac), [""; 0]);
    }
}

#[test]
fn a_text_that_the_owner_has_edited_into_that_of_a_bubble_does_not_prove_it() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let typed = mac.own_row("Hi Bob");
    mac.messages.edit(typed, "Hi Ada", mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Dispatched]);
    assert_eq!(later_texts(&mac), ["Hi Ada"]);
}

/// Whether the row is the bubble's cannot be known, so it is not posted while the bubble may still get a row.
#[test]
fn an_edited_row_without_its_first_text_waits_as_long_as_a_bubble_of_its_chat_does() {
    for change in ["edited", "unsent"] {
        let mut mac = answered_mac();
        mac.send_bubble("cmd_a", "Hi Ada");
        mac.take_reply("cmd_b", &chat_of(ADA), &["queued"]);
        let row = mac.own_row("Hi Ada");
        if change == "edited" {
            mac.messages.edit(row, "Hi Ada!", mac.now()).unwrap();
            blank_history(&mut mac, row);
        } else {
            mac.messages.unsend(row, &[], mac.now()).unwrap();
        }
        mac.run_relay();
        assert_eq!(mac.waiting_reasons(), ["may_be_own_send"], "{change}");
        mac.advance(secs(150));
        mac.time_out();
        mac.advance(secs(9 * 60));
        mac.sweep();
        assert_eq!(mac.waiting_reasons(), ["may_be_own_send"], "{change}");
        assert_eq!(mac.bubbles(), [BubbleState::Unknown, BubbleState::Queued]);
        assert_eq!(later_texts(&mac), [""; 0], "{change}");
        mac.advance(secs(2 * 60));
        mac.sweep();
        assert_eq!(mac.waiting_reasons(), [""; 0], "{change}");
        assert_eq!(mac.bubbles()[0], BubbleState::Unknown);
    }
}

#[test]
fn an_edited_row_without_its_first_text_is_posted_if_no_bubble_of_its_chat_waits() {
    let mut mac = answered_mac();
    mac.take_reply("cmd_a", &chat_of(ADA), &["queued"]);
    let typed = mac.own_row("Hi Bob");
    mac.messages.edit(typed, "Hi Ada", mac.now()).unwrap();
    blank_history(&mut mac, typed);
    mac.run_relay();
    assert_eq!(later_texts(&mac), ["Hi Ada"]);
}

#[test]
fn a_handed_bubble_that_was_edited_is_proven_by_its_first_text() {
    let mut mac = answered_mac();
    let row = mac.own_row("one");
    mac.messages.edit(row, "one!", mac.now()).unwrap();
    mac.lose_state();
    mac.run_relay();
    mac.take_command("cmd_handed", &chat_of(ADA), &["one"], "reply", true);
    mac.newest.send(None).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
    assert_eq!(mac.ledger()[0].message_guid, mac.messages.guid_of(row).ok());
}
