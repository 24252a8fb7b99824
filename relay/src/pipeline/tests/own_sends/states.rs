//! What Messages writes into the row of a bubble, and when it still counts.

use super::*;

#[test]
fn the_bubble_follows_its_row() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let row = mac.own_row("Hi Ada");
    mac.run_relay();
    assert_eq!(mac.first_bubble(), (BubbleState::RowSeen, None));
    mac.messages.set_column(row, "is_sent", 1).unwrap();
    mac.run_relay();
    assert_eq!(mac.first_bubble(), (BubbleState::Sent, None));
    mac.messages.mark_delivered(row, mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(mac.first_bubble(), (BubbleState::Delivered, None));
    // Nothing takes it back.
    mac.messages.mark_failed(row, 22).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Delivered]);
}

#[test]
fn a_failed_bubble_may_still_be_sent() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let row = mac.own_row("Hi Ada");
    mac.messages.mark_failed(row, 22).unwrap();
    mac.run_relay();
    let failed = (BubbleState::Failed, Some("error_22".to_owned()));
    assert_eq!(mac.first_bubble(), failed);
    mac.advance(secs(9 * 60));
    mac.messages.mark_failed(row, 0).unwrap();
    mac.messages.set_column(row, "is_sent", 1).unwrap();
    mac.run_relay();
    assert_eq!(mac.first_bubble(), (BubbleState::Sent, None));
}

#[test]
fn a_fall_back_to_another_service_is_noted() {
    let mut mac = answered_mac();
    for id in ["cmd_a", "cmd_b"] {
        mac.send_bubble(id, id);
        let row = mac.own_row(id);
        mac.messages.set_column(row, "is_sent", 1).unwrap();
        if id == "cmd_a" {
            mac.run_relay();
            mac.messages.fall_back_to_sms(row).unwrap();
        } else {
            mac.messages.set_column(row, "service", "SMS").unwrap();
        }
        mac.run_relay();
    }
    let codes: Vec<_> = mac
        .ledger()
        .into_iter()
        .map(|b| (b.state, b.code.unwrap()))
        .collect();
    let sent = |code: &str| (BubbleState::Sent, code.to_owned());
    assert_eq!(codes, [sent("downgraded"), sent("service_sms")]);
}

#[test]
fn a_sent_row_is_watched_for_a_day_and_a_failed_one_for_ten_minutes() {
    for (error, last, is_moved) in [
        (0, hours(23), true),
        (0, hours(25), false),
        (22, secs(9 * 60), true),
        (22, secs(11 * 60), false),
    ] {
        let mut mac = answered_mac();
        mac.send_bubble("cmd_a", "Hi Ada");
        let row = mac.own_row("Hi Ada");
        mac.messages.set_column(row, "is_sent", 1).unwrap();
        mac.messages.mark_failed(row, error).unwrap();
        mac.run_relay();
        let before = mac.bubbles();
        mac.advance(last);
        mac.messages.mark_delivered(row, mac.now()).unwrap();
        // A row that was sent long ago is read by the sweep.
        mac.sweep();
        let is_delivered = mac.bubbles() == [BubbleState::Delivered];
        assert_eq!(is_delivered, is_moved, "{error} {last:?}");
        assert!(is_delivered || mac.bubbles() == before);
    }
}

#[test]
fn an_unknown_bubble_is_matched_for_ten_minutes() {
    for (mins, is_matched) in [(9, true), (11, false)] {
        let mut mac = answered_mac();
        mac.send_bubble("cmd_a", "Hi Ada");
        mac.advance(secs(150));
        mac.time_out();
        mac.run_relay();
        mac.advance(secs(mins * 60));
        let row = mac.own_row("Hi Ada");
        mac.run_relay();
        assert_eq!(
            mac.bubbles(),
            [BubbleState::Unknown],
            "its row says nothing yet"
        );
        mac.messages.set_column(row, "is_sent", 1).unwrap();
        mac.run_relay();
        assert_eq!(mac.is_own_send(row), is_matched, "{mins}");
        let state = if is_matched {
            BubbleState::Sent
        } else {
            BubbleState::Unknown
        };
        assert_eq!(mac.bubbles(), [state], "{mins}");
        assert_eq!(later_texts(&mac).len(), usize::from(!is_matched));
    }
}

#[test]
fn a_ghost_row_fails_the_bubble_and_a_real_row_still_proves_it() {
    for handle in [chat_of(ADA), format!("any;-;{ADA}")] {
        let mut mac = answered_mac();
        mac.send_bubble("cmd_a", "Hi Ada");
        let handle = mac.messages.ensure_handle(&handle, "SMS").unwrap();
        let ghost = NewMessage::outgoing(mac.now())
            .on("SMS")
            .set("handle_id", handle);
        let ghost = mac.messages.insert_message(&ghost).unwrap();
        mac.run_relay();
        let failed = (BubbleState::Failed, Some("ghost_row".to_owned()));
        assert_eq!(mac.first_bubble(), failed);
        assert!(mac.is_own_send(ghost));
        assert_eq!(mac.waiting_reasons(), [""; 0]);
        let row = mac.own_row("Hi Ada");
        mac.messages.set_column(row, "is_sent", 1).unwrap();
        mac.run_relay();
        assert_eq!(mac.bubbles(), [BubbleState::Sent]);
        assert_eq!(later_texts(&mac), [""; 0]);
    }
}

/// An unknown text before it keeps its state, and holds back the rest of its reply.
#[test]
fn a_ghost_row_fails_the_bubble_that_was_passed_on_last() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    mac.advance(secs(150));
    mac.time_out();
    mac.send_bubble("cmd_b", "Are you there?");
    let handle = mac.messages.ensure_handle(&chat_of(ADA), "SMS").unwrap();
    let ghost = NewMessage::outgoing(mac.now())
        .on("SMS")
        .set("handle_id", handle);
    mac.messages.insert_message(&ghost).unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Unknown, BubbleState::Failed]);
}

#[test]
fn an_own_row_without_a_chat_yet_is_no_ghost() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let (chat, ada) = mac.direct_chat(ADA);
    for (service, text) in [("SMS", ""), ("iMessage", "Hi Ada")] {
        let row = NewMessage::outgoing(mac.now())
            .on(service)
            .text(text)
            .set("handle_id", ada);
        let row = mac.messages.insert_message(&row).unwrap();
        mac.run_relay();
        assert_eq!(mac.bubbles(), [BubbleState::Dispatched]);
        assert!(mac.waiting_reasons().contains(&"no_chat".to_owned()));
        mac.messages.join(chat, row).unwrap();
    }
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Sent]);
}
