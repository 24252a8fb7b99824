//! The row of a text comes after the owner has decided about the text.

use super::*;
use crate::state::ledger::owner::{Resolution, resolve};

/// A text that was passed to Messages and has no row, and the owner's decision about it.
fn decided(resolution: Resolution) -> Mac {
    let mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    mac.time_out();
    let (number, now) = (mac.ledger()[0].number, mac.clock.now());
    let decide = |tx: &rusqlite::Transaction<'_>| resolve(tx, number, resolution, now);
    assert_eq!(mac.state().write_durably(decide).unwrap(), Ok(()));
    mac
}

/// Posted as the owner's, it would cancel the replies to its chat.
#[test]
fn the_late_row_of_a_dropped_text_is_not_posted() {
    let mut mac = decided(Resolution::Drop);
    mac.take_reply("cmd_b", &chat_of(ADA), &["later"]);
    let row = mac.own_row("Hi Ada");
    mac.run_relay();
    assert_eq!(later_texts(&mac), [""; 0]);
    assert!(mac.is_own_send(row));
    assert_eq!(mac.bubbles(), [BubbleState::Cancelled, BubbleState::Queued]);
}

#[test]
fn the_late_row_of_a_text_that_is_to_be_sent_again_proves_it() {
    let mut mac = decided(Resolution::Send);
    mac.own_row("Hi Ada");
    mac.run_relay();
    assert_eq!(later_texts(&mac), [""; 0]);
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
}

#[test]
fn neither_row_of_a_text_that_was_sent_twice_is_posted() {
    let mut mac = decided(Resolution::Send);
    mac.own_row("Hi Ada");
    mac.dispatch_next();
    mac.advance(secs(1));
    mac.own_row("Hi Ada");
    mac.run_relay();
    assert_eq!(later_texts(&mac), [""; 0]);
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
}
