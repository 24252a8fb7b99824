//! `resend_since`: a backend that was restored from a backup gets the messages again that it may have lost.

use messages_stand_in::Attachment;
use serde_json::json;
use shared_protocol::Command;

use super::*;
use crate::state::ledger::BubbleState;
use crate::state::ledger::owner::{Listing, list};
use crate::state::ledger::take::take;
use crate::state::outbox::{self, DeliveredPost};

impl Mac {
    /// Marks everything in the outbox as delivered now.
    fn deliver_all(&self) {
        let at = self.clock.now();
        let delivered = self.state().write(|tx| {
            let posts: Vec<_> = outbox::pending_after(tx, 0, 1_000)?
                .into_iter()
                .map(|post| DeliveredPost {
                    seq: post.seq,
                    message_id: None,
                    at,
                    note: None,
                    cancels_replies: false,
                })
                .collect();
            outbox::mark_delivered(tx, &posts)
        });
        delivered.unwrap();
    }

    /// The posts that wait to be sent.
    fn pending(&self) -> Vec<Message> {
        let bodies = self.state().read(|state| {
            let seqs: Vec<_> = outbox::pending_after(state, 0, 1_000)?
                .into_iter()
                .map(|post| post.seq)
                .collect();
            outbox::load(state, &seqs)
        });
        let bodies = bodies.unwrap().into_iter();
        bodies
            .map(|post| Message::from_json(&post.body).unwrap())
            .collect()
    }

    fn ask_to_resend(&self, id: &str, since: UnixMicros) {
        let command: Command = serde_json::from_value(json!({"seq": 1, "id": id,
            "kind": "resend_since", "since": since.as_secs()}))
        .unwrap();
        let body = command.parse().unwrap();
        let now = self.clock.now();
        self.state()
            .write_durably(|tx| take(tx, &command, &body, now))
            .unwrap();
    }

    fn is_carried_out(&self) -> bool {
        let all = self.state().read(|state| list(state, Listing::All, 100));
        all.unwrap()[0].state == BubbleState::Delivered
    }

    /// Runs the relay until no post is put back any more.
    fn run_resend(&mut self) {
        self.run_steps(|_, _, _| {}, 4);
    }
}

#[test]
fn messages_since_a_time_are_posted_again_under_their_identities() {
    let mut mac = Mac::new();
    mac.receive(ADA, "long ago");
    mac.run_relay();
    mac.deliver_all();
    mac.advance(hours(1));
    let since = mac.clock.now();
    let edited = mac.receive(ADA, "helo");
    mac.receive(BOB, "a question");
    let (chat, _) = mac.direct_chat(ADA);
    let photo = mac.receive(ADA, "look");
    let file = Attachment::photo("a.jpg", 1).in_state(messages_stand_in::TransferState::WAITING);
    let file = mac.messages.attach(photo, &file, mac.now()).unwrap();
    mac.run_relay();
    mac.messages.edit(edited, "hello", mac.now()).unwrap();
    mac.messages.finish_attachment(file, 1).unwrap();
    mac.run_relay();
    let own = NewMessage::outgoing(mac.now()).text("typed by the owner");
    mac.advance(secs(1));
    mac.messages.deliver(chat, &own).unwrap();
    mac.run_relay();
    let before = mac.pending();
    assert_eq!(before.len(), 6);
    mac.deliver_all();
    mac.advance(secs(30));
    mac.ask_to_resend("cmd_resend", since);
    mac.run_resend();
    let again = mac.pending();
    let identity = |message: &Message| {
        let guid = message.message_guid.clone();
        (
            guid,
            message.event,
            message.revision,
            message.chat_guid.clone(),
        )
    };
    let identities = |messages: &[Message]| messages.iter().map(identity).collect::<Vec<_>>();
    assert_eq!(identities(&again), identities(&before));
    // The content is that of now.
    assert_eq!(again[0].text, "hello");
    let own = again.last().unwrap();
    assert!(own.from_owner && own.text == before.last().unwrap().text);
    // The owner has written in Ada's chat last. Bob waits for an answer.
    let answered: Vec<_> = again.iter().map(|message| message.answered).collect();
    let in_adas_chat: Vec<_> = again
        .iter()
        .map(|message| message.chat_guid.contains(ADA))
        .collect();
    assert_eq!(answered, in_adas_chat);
    assert!(mac.is_carried_out());
    // Nothing is posted a third time.
    mac.deliver_all();
    mac.run_resend();
    assert_eq!(mac.pending(), []);
}

/// The second bubble of a reply to an earlier message stands after a question. It does not answer the question.
#[test]
fn a_late_bubble_of_an_earlier_reply_answers_no_later_message() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    let first = mac.receive(ADA, "first");
    mac.run_relay();
    let anchor = mac.messages.guid_of(first).unwrap();
    let now = mac.clock.now();
    let reply: Command = serde_json::from_value(json!({"seq": 1, "id": "cmd_reply",
        "kind": "send_message", "chat_guid": format!("iMessage;-;{ADA}"), "anchor_guid": anchor,
        "bubbles": [{"text": "a bubble"}], "not_after": now.as_secs() + 6 * 60 * 60}))
    .unwrap();
    let body = reply.parse().unwrap();
    mac.state()
        .write_durably(|tx| take(tx, &reply, &body, now))
        .unwrap();
    mac.dispatch_next();
    mac.advance(secs(1));
    mac.receive(ADA, "second");
    mac.advance(secs(1));
    let bubble = NewMessage::outgoing(mac.now()).text("a bubble");
    mac.messages.deliver(chat, &bubble).unwrap();
    mac.run_relay();
    mac.deliver_all();
    mac.advance(secs(1));
    mac.ask_to_resend("cmd_resend", UnixMicros::from_secs(START));
    mac.run_resend();
    let answered: Vec<_> = mac
        .pending()
        .into_iter()
        .map(|message| (message.text, message.answered))
        .collect();
    let expected = [("first".to_owned(), true), ("second".to_owned(), false)];
    assert_eq!(answered, expected);
}

#[test]
fn a_relay_that_is_killed_in_between_goes_on_with_the_rest() {
    let mut mac = Mac::new();
    for n in 0..450 {
        mac.receive(ADA, &format!("{n}"));
    }
    mac.run_relay();
    mac.deliver_all();
    mac.advance(secs(5));
    mac.ask_to_resend("cmd_resend", UnixMicros::from_secs(START));
    // The relay is started again after each step, and what was put back is delivered meanwhile.
    let mut again = Vec::new();
    for _ in 0..6 {
        mac.run_relay();
        again.extend(mac.pending());
        mac.advance(secs(1));
        mac.deliver_all();
    }
    let texts: Vec<u32> = again.iter().map(|m| m.text.parse().unwrap()).collect();
    assert_eq!(texts, (0..450).collect::<Vec<_>>());
    assert!(mac.is_carried_out());
}

#[test]
fn unsent_deleted_and_dropped_messages_are_not_told_as_they_were() {
    let mut mac = Mac::new();
    let unsent = mac.receive(ADA, "oops");
    let deleted = mac.receive(ADA, "a code");
    let dropped = mac.receive(ADA, "dropped by the owner");
    mac.run_relay();
    mac.messages.unsend(unsent, &[0], mac.now()).unwrap();
    mac.run_relay();
    let dropped = mac.messages.guid_of(dropped).unwrap();
    mac.state()
        .write(|tx| {
            let post = outbox::of_guid(tx, &dropped)?.remove(0);
            outbox::drop_post(tx, post.seq, mac.clock.now())
        })
        .unwrap();
    mac.deliver_all();
    mac.messages.delete_message(deleted).unwrap();
    mac.advance(secs(5));
    mac.ask_to_resend("cmd_resend", UnixMicros::from_secs(START));
    mac.run_resend();
    let again: Vec<_> = mac
        .pending()
        .into_iter()
        .map(|message| (message.event, message.revision, message.text))
        .collect();
    assert_eq!(again, [(Event::Unsend, 1, String::new())]);
}
