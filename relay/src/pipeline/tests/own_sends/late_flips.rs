//! Messages writes an own message first as a received one without a handle, and marks it as own later.

use super::*;

/// A row as Messages writes it before it marks the message as own.
fn unmarked(mac: &mut Mac, text: &str) -> i64 {
    let (chat, _) = mac.direct_chat(ADA);
    let row = NewMessage::incoming(NO_HANDLE, mac.now())
        .text(text)
        .set("is_delivered", 0);
    mac.messages.deliver(chat, &row).unwrap()
}

#[test]
fn an_unmarked_row_with_the_text_of_an_open_bubble_waits_for_its_mark() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let row = unmarked(&mut mac, "Hi Ada");
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["may_be_own_send"]);
    // It holds back its chat for a few seconds only.
    mac.receive(ADA, "are you there?");
    mac.run_relay();
    assert_eq!(later_texts(&mac), [""; 0]);
    mac.advance(secs(5));
    mac.sweep();
    assert_eq!(later_texts(&mac), ["are you there?"]);
    mac.advance(secs(115));
    mac.sweep();
    assert_eq!(mac.bubbles(), [BubbleState::Dispatched]);
    mac.messages.flip_from_me(row).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Sent]);
    assert!(mac.is_own_send(row));
    assert_eq!(later_texts(&mac), ["are you there?"]);
}

#[test]
fn an_unmarked_row_is_posted_once_its_bubble_is_not_open_any_more() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let row = unmarked(&mut mac, "Hi Ada");
    mac.run_relay();
    mac.advance(secs(150));
    mac.time_out();
    mac.advance(secs(9 * 60));
    mac.sweep();
    assert_eq!(mac.waiting_reasons(), ["may_be_own_send"]);
    mac.advance(secs(2 * 60));
    mac.sweep();
    assert_eq!(mac.outcome(row), Some(RowOutcome::Forwarded));
}

#[test]
fn an_unmarked_row_with_another_text_waits_as_long_as_ever() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    unmarked(&mut mac, "Hi Bob");
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_handle"]);
    mac.advance(secs(2));
    mac.sweep();
    assert_eq!(later_texts(&mac), ["Hi Bob"]);
}

#[test]
fn an_unmarked_row_in_a_filtered_chat_is_not_listed() {
    let mut mac = answered_mac();
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", 2)
        .unwrap();
    mac.send_bubble("cmd_a", "Hi Ada");
    let row = unmarked(&mut mac, "Hi Ada");
    mac.run_relay();
    assert_eq!(mac.filtered(), []);
    mac.messages.flip_from_me(row).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Sent]);
}

#[test]
fn a_row_that_was_posted_before_its_mark_still_proves_its_bubble() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let row = unmarked(&mut mac, "Hi Ada");
    // The ledger does not know the bubble when the row is read, as after the restore of an older state.
    let hide = |mac: &Mac, state: &str| {
        let sql = format!("update ledger_bubble set state = '{state}'");
        mac.state().write(|tx| tx.execute_batch(&sql)).unwrap();
    };
    hide(&mac, "queued");
    mac.advance(secs(2));
    mac.run_relay();
    mac.advance(secs(2));
    mac.sweep();
    assert_eq!(mac.outcome(row), Some(RowOutcome::Forwarded));
    hide(&mac, "dispatched");
    mac.messages.flip_from_me(row).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Sent]);
    assert_eq!(mac.outcome(row), Some(RowOutcome::Forwarded));
}
