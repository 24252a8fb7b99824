//! What the owner types cancels the replies to its chat; what a machine sends for the owner does not.

use super::*;

/// Takes a reply, a planned text and a code to Ada, and a reply to Bob.
fn take_all(mac: &Mac) {
    for (id, peer, priority) in [
        ("cmd_reply", ADA, "reply"),
        ("cmd_planned", ADA, "scheduled"),
        ("cmd_code", ADA, "otp"),
        ("cmd_bob", BOB, "reply"),
    ] {
        mac.take_command(id, &chat_of(peer), &["one", "two"], priority, false);
    }
}

fn cancelled(mac: &Mac) -> Vec<String> {
    let ledger = mac.ledger().into_iter();
    ledger
        .filter(|bubble| bubble.state == BubbleState::Cancelled)
        .map(|bubble| bubble.command_id)
        .collect()
}

#[test]
fn a_typed_text_cancels_the_replies_to_its_chat() {
    let mut mac = answered_mac();
    take_all(&mac);
    mac.receive(ADA, "another one");
    mac.run_relay();
    assert_eq!(cancelled(&mac), [""; 0]);
    mac.own_row("let me take this");
    mac.run_relay();
    assert_eq!(cancelled(&mac), ["cmd_reply"; 2]);
    let posted = mac.posted().pop().unwrap();
    assert!(posted.from_owner && !posted.automatic);
}

#[test]
fn the_posts_and_the_cancelling_are_one_transaction() {
    let mut mac = answered_mac();
    take_all(&mac);
    mac.own_row("let me take this");
    mac.state()
        .write(|tx| {
            tx.execute_batch(
                "create trigger fails before update on ledger_bubble begin select raise(abort, 'x'); end",
            )
        })
        .unwrap();
    mac.try_run_relay().expect_err("the commit fails");
    assert_eq!(later_texts(&mac), [""; 0]);
    mac.state()
        .write(|tx| tx.execute_batch("drop trigger fails"))
        .unwrap();
    mac.run_relay();
    assert_eq!(later_texts(&mac), ["let me take this"]);
    assert_eq!(cancelled(&mac), ["cmd_reply"; 2]);
}

#[test]
fn what_a_machine_sends_for_the_owner_and_tapbacks_cancel_nothing() {
    let mut mac = answered_mac();
    take_all(&mac);
    let (chat, _) = mac.direct_chat(ADA);
    let own = || NewMessage::outgoing(date(START * 1_000_000 + 3_000_000));
    let hello = mac.messages.raw();
    let hello: String = hello
        .query_row("select guid from message", [], |row| row.get(0))
        .unwrap();
    let tapback = own().tapback(
        messages_stand_in::Tapback::Love,
        messages_stand_in::TapbackChange::Add,
        (0, &hello),
        "hello?",
    );
    for row in [own().text("I am driving").set("is_auto_reply", 1), tapback] {
        mac.messages.deliver(chat, &row).unwrap();
    }
    // A message of a day ago that iCloud has brought back.
    let old = NewMessage::outgoing(mac.ago(hours(24))).text("yesterday");
    mac.messages.deliver(chat, &old).unwrap();
    mac.run_relay();
    let automatic: Vec<_> = mac
        .posted()
        .iter()
        .map(|message| message.automatic)
        .collect();
    assert_eq!(automatic[1..], [true, false, false][..automatic.len() - 1]);
    assert_eq!(cancelled(&mac), [""; 0]);
}
