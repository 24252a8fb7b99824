//! Bubbles that another installation may have sent are looked for in chat.db, and never sent.

use super::*;
use crate::state::meta;

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

/// The state was restored from a backup: it does not know the commands of the time since. The row of a send whose
/// command is still to come would be posted as the owner's.
#[test]
fn a_state_of_another_installation_reads_nothing_before_all_commands_are_known() {
    for rebuilt in [false, true] {
        let mut mac = answered_mac();
        mac.start_unanswered(FirstRun::Now, Options::default());
        let mark = |tx: &rusqlite::Transaction<'_>| meta::set(tx, meta::COMMANDS_PENDING, "1");
        mac.state().write(mark).unwrap();
        mac.own_row("one");
        if rebuilt {
            mac.messages
                .rebuild(1, messages_stand_in::MessageGuids::Renewed)
                .unwrap();
        }
        mac.run_relay();
        mac.sweep();
        assert_eq!(later_texts(&mac), [""; 0], "{rebuilt}");
        take_handed(&mac, &["one"]);
        mac.newest.send(None).unwrap();
        mac.run_relay();
        assert_eq!(mac.bubbles(), [BubbleState::RowSeen], "{rebuilt}");
        assert_eq!(later_texts(&mac), [""; 0]);
        // From now on it reads at once, also after a restart.
        mac.start_unanswered(FirstRun::Now, Options::default());
        mac.receive(ADA, "thanks");
        mac.run_relay();
        assert_eq!(later_texts(&mac), ["thanks"]);
    }
}

/// The command of an earlier send is finished, so the backend does not hand it over again.
#[test]
fn an_own_row_that_a_lost_state_may_have_sent_cancels_no_reply() {
    let mut mac = answered_mac();
    let hello = mac.posted().remove(0);
    mac.own_row("an earlier reply");
    mac.lose_state();
    mac.run_relay();
    mac.take_reply("cmd_b", &chat_of(ADA), &["queued"]);
    let guid = hello.message_guid.unwrap();
    let newest = newest(&guid, hello.timestamp.as_micros());
    mac.newest.send(Some(newest)).unwrap();
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        ["an earlier reply"],
        "the backend knows whose it is"
    );
    assert_eq!(mac.bubbles(), [BubbleState::Queued]);
    mac.own_row("I am the owner");
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Cancelled]);
}
