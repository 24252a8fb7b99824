//! The relay's own sends: their rows prove the bubbles of the ledger, and are never posted.

mod copies;
mod edited;
mod handed;
mod late_flips;
mod lost_rows;
mod owner;
mod resolved;
mod states;

use serde_json::json;
use shared_protocol::{Command, CommandBody};

use super::*;
use crate::state::ledger::Baseline;
use crate::state::ledger::dispatching::{dispatch, sendable};
use crate::state::ledger::owner::{LedgerEntry, Listing, list};
use crate::state::ledger::take::{Take, take};
use crate::state::ledger::{BubbleState, transitions};
use crate::state::read_position;
use crate::state::seen::RowOutcome;

fn chat_of(peer: &str) -> String {
    format!("iMessage;-;{peer}")
}

impl Mac {
    /// Takes a reply to a chat into the ledger, as the puller does.
    fn take_reply(&self, id: &str, chat_guid: &str, texts: &[&str]) {
        self.take_command(id, chat_guid, texts, "reply", false);
    }

    fn take_command(
        &self,
        id: &str,
        chat_guid: &str,
        texts: &[&str],
        priority: &str,
        handed: bool,
    ) {
        let now = self.clock.now();
        let bubbles: Vec<_> = texts.iter().map(|text| json!({"text": text})).collect();
        let command: Command = serde_json::from_value(json!({"seq": 1, "id": id,
            "kind": "send_message", "chat_guid": chat_guid, "service": "iMessage",
            "bubbles": bubbles, "priority": priority, "handed": handed,
            "not_after": now.as_secs() + 6 * 60 * 60}))
        .unwrap();
        let body: CommandBody = command.parse().unwrap();
        let taken = self
            .state()
            .write_durably(|tx| take(tx, &command, &body, now));
        assert_eq!(taken.unwrap(), Take::New);
    }

    /// Writes the next sendable bubble as passed to Messages, as the dispatcher does.
    pub(super) fn dispatch_next(&self) {
        let now = self.clock.now();
        let rowid = self.messages.sequence().unwrap();
        let dispatched = self.state().write_durably(|tx| {
            let next = sendable(tx, 1)?.pop().expect("a bubble could be sent");
            let file = read_position::chat_db_file(tx)?;
            dispatch(
                tx,
                next.number,
                &chat_of(ADA),
                &Baseline { file, rowid },
                now,
            )
        });
        assert!(dispatched.unwrap());
    }

    /// Takes a reply of one bubble to Ada and passes it to Messages.
    fn send_bubble(&self, id: &str, text: &str) {
        self.take_reply(id, &chat_of(ADA), &[text]);
        self.dispatch_next();
    }

    /// Gives up waiting for the dispatched bubbles, as the dispatcher does.
    fn time_out(&self) {
        let now = self.clock.now();
        let timed_out = self.state().write(|tx| {
            for entry in list(tx, Listing::Unfinished, 100)? {
                if entry.state == BubbleState::Dispatched {
                    transitions::reach(
                        tx,
                        entry.number,
                        BubbleState::Unknown,
                        Some("no_row"),
                        now,
                    )?;
                }
            }
            Ok(())
        });
        timed_out.unwrap();
    }

    /// An own row in the chat with Ada, dated now, which Messages has not handed on yet.
    fn own_row(&mut self, text: &str) -> i64 {
        let (chat, _) = self.direct_chat(ADA);
        let row = NewMessage::outgoing(self.now())
            .text(text)
            .set("is_sent", 0);
        self.messages.deliver(chat, &row).unwrap()
    }

    /// Every bubble, in the order in which they were taken.
    fn ledger(&self) -> Vec<LedgerEntry> {
        let mut bubbles = self
            .state()
            .read(|state| list(state, Listing::All, 1_000))
            .unwrap();
        bubbles.reverse();
        bubbles
    }

    fn bubbles(&self) -> Vec<BubbleState> {
        self.ledger().iter().map(|bubble| bubble.state).collect()
    }

    /// State and code of the first bubble.
    fn first_bubble(&self) -> (BubbleState, Option<String>) {
        let first = self.ledger().remove(0);
        (first.state, first.code)
    }

    fn is_own_send(&self, rowid: i64) -> bool {
        let guid = self.messages.guid_of(rowid).unwrap();
        let seen = self.state().read(|state| seen::find(state, &guid)).unwrap();
        seen.is_some_and(|seen| {
            assert!(!seen.is_own_send || seen.outcome == RowOutcome::Twin);
            seen.is_own_send
        })
    }
}

/// A Mac on which Ada has written, in whose chat the relay answers.
fn answered_mac() -> Mac {
    let mut mac = Mac::new();
    mac.receive(ADA, "hello?");
    mac.run_relay();
    mac.advance(secs(3));
    mac
}

/// The posts after Ada's first message.
fn later_texts(mac: &Mac) -> Vec<String> {
    mac.texts().split_off(1)
}

#[test]
fn the_row_of_a_bubble_proves_it_and_is_not_posted() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    mac.advance(secs(1));
    let row = mac.own_row("Hi Ada");
    mac.run_relay();
    let guid = mac.messages.guid_of(row).unwrap();
    let bubble = mac.ledger().remove(0);
    assert_eq!(bubble.state, BubbleState::RowSeen);
    assert_eq!(bubble.message_guid.as_ref(), Some(&guid));
    assert!(mac.is_own_send(row));
    assert_eq!(later_texts(&mac), [""; 0]);
    // Its edits are history, and so is its deletion.
    mac.messages.edit(row, "Hi Ada!", mac.now()).unwrap();
    mac.run_relay();
    mac.messages.unsend(row, &[], mac.now()).unwrap();
    mac.run_relay();
    assert_eq!(later_texts(&mac), [""; 0]);
    assert!(mac.is_own_send(row));
}

#[test]
fn bubbles_of_equal_text_are_proven_in_order_by_one_row_each() {
    let mut mac = answered_mac();
    mac.take_reply("cmd_a", &chat_of(ADA), &["ok", "ok", "ok"]);
    let mut rows = Vec::new();
    for _ in 0..3 {
        mac.dispatch_next();
        rows.push(mac.own_row("ok"));
        mac.advance(secs(2));
        mac.run_relay();
    }
    // A fourth equal text was typed by the owner.
    let typed = mac.own_row("ok");
    mac.run_relay();
    let proven: Vec<_> = mac
        .ledger()
        .into_iter()
        .map(|b| b.message_guid.unwrap())
        .collect();
    let guids: Vec<_> = rows
        .iter()
        .map(|row| mac.messages.guid_of(*row).unwrap())
        .collect();
    assert_eq!(proven, guids);
    assert_eq!(mac.outcome(typed), Some(RowOutcome::Forwarded));
    assert_eq!(later_texts(&mac), ["ok"]);
}

#[test]
fn only_an_own_row_of_the_chat_with_the_text_after_the_dispatch_proves_a_bubble() {
    let mut mac = answered_mac();
    let before = mac.own_row("Hi Ada");
    mac.send_bubble("cmd_a", "Hi Ada");
    mac.receive(ADA, "Hi Ada");
    let (bob, _) = mac.direct_chat(BOB);
    let elsewhere = NewMessage::outgoing(mac.now()).text("Hi Ada");
    mac.messages.deliver(bob, &elsewhere).unwrap();
    mac.own_row("Hi  Ada");
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::Dispatched]);
    assert_eq!(later_texts(&mac).len(), 4);
    assert!(!mac.is_own_send(before));
    mac.own_row(" Hi Ada\n");
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
}

#[test]
fn a_relay_that_dies_before_or_after_the_commit_proves_the_bubble_once() {
    let mut mac = answered_mac();
    mac.send_bubble("cmd_a", "Hi Ada");
    let row = mac.own_row("Hi Ada");
    // The transaction fails: bubble, record and cursor stay as they are.
    mac.state()
        .write(|tx| {
            tx.execute_batch(
                "create trigger fails before insert on seen begin select raise(abort, 'x'); end",
            )
        })
        .unwrap();
    mac.try_run_relay().expect_err("the commit fails");
    assert_eq!(mac.bubbles(), [BubbleState::Dispatched]);
    mac.state()
        .write(|tx| tx.execute_batch("drop trigger fails"))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
    let acks = |mac: &Mac| {
        let acks = |state: &_| crate::state::ledger::acks::pending(state, 10);
        mac.state().read(acks).unwrap()
    };
    let told = acks(&mac);
    // The cursor goes back, as after a power cut that undid the last commits.
    for undo in [
        "update source set cursor = cursor - 1",
        "update source set cursor = cursor - 1; delete from seen",
    ] {
        mac.state().write(|tx| tx.execute_batch(undo)).unwrap();
        mac.run_relay();
        assert_eq!(mac.bubbles(), [BubbleState::RowSeen]);
        assert_eq!(acks(&mac), told);
        assert!(mac.is_own_send(row));
        assert_eq!(later_texts(&mac), [""; 0]);
    }
}

#[test]
fn the_link_of_a_bubble_is_an_own_send_too() {
    let mut mac = answered_mac();
    let text = "look: https://example.com/page";
    mac.send_bubble("cmd_a", text);
    let row = mac.own_row(text);
    let guid = mac.messages.guid_of(row).unwrap();
    mac.run_relay();
    mac.advance(secs(1));
    let (chat, _) = mac.direct_chat(ADA);
    let link = messages_stand_in::RichLink::new("https://example.com/other");
    let link = NewMessage::outgoing(mac.now())
        .link(&link)
        .set("reply_to_guid", guid);
    let link = mac.messages.deliver(chat, &link).unwrap();
    mac.run_relay();
    mac.advance(secs(5));
    mac.run_relay();
    assert!(mac.is_own_send(link), "{:?}", mac.posted().last());
    assert_eq!(later_texts(&mac), [""; 0]);
}
