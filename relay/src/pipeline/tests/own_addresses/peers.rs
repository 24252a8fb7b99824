//! Macs that write the peer's address into the own-address columns. No message of such a peer or of the
//! owner is lost. A note to self, which looks the same, is recognised by its other row.

use rusqlite::types::Value;

use super::*;

/// Which columns have the peer's address (destination, account, account of the chat): two or more.
const TWO_OR_MORE: [[bool; 3]; 4] = [
    [true, true, false],
    [true, false, true],
    [false, true, true],
    [true, true, true],
];

impl Mac {
    /// A direct chat with Ada. If the last of the three columns is to have her address, the chat has it.
    fn chat_with_named_peer(&mut self, [_, _, login]: [bool; 3]) -> i64 {
        let chat = self.messages.insert_chat(&Chat::direct(ADA)).unwrap();
        let login = if login {
            format!("P:{ADA}")
        } else {
            String::new()
        };
        self.messages
            .set_chat_column(chat, "account_login", login)
            .unwrap();
        self.sql("update chat set last_addressed_handle = null");
        self.advance(Duration::from_micros(250_001));
        chat
    }

    /// Writes a row with Ada's address in the first two columns, if `named` says so.
    fn write_naming_peer(&mut self, chat: i64, message: NewMessage, named: [bool; 3]) -> i64 {
        let value = |is_named: bool, text: String| {
            is_named.then_some(text).map_or(Value::Null, Value::from)
        };
        let message = message
            .set("destination_caller_id", value(named[0], ADA.to_owned()))
            .set("account", value(named[1], format!("P:{ADA}")));
        self.write(chat, &message)
    }

    fn send_naming_peer(&mut self, chat: i64, text: &str, named: [bool; 3]) -> i64 {
        let own = NewMessage::outgoing(self.now()).text(text);
        self.write_naming_peer(chat, own, named)
    }

    fn receive_naming_peer(&mut self, chat: i64, text: &str, named: [bool; 3]) -> i64 {
        let received = self.incoming_from(ADA, text);
        self.write_naming_peer(chat, received, named)
    }

    /// Runs the relay at once, and again after two seconds, when rows no longer wait for another row.
    fn run_relay_past_waits(&mut self) {
        self.run_relay();
        self.advance(secs(2));
        self.run_relay();
    }
}

#[test]
fn a_message_of_a_peer_named_in_the_own_address_columns_is_posted_as_the_owners() {
    for named in TWO_OR_MORE {
        let mut mac = Mac::new();
        let chat = mac.chat_with_named_peer(named);
        for text in ["hi", "are you there?"] {
            mac.receive_naming_peer(chat, text, named);
            mac.run_relay_past_waits();
            mac.advance(secs(70));
        }
        assert_eq!(
            posts(&mac),
            [
                post_from("owner", "hi"),
                post_from("owner", "are you there?")
            ],
            "{named:?}"
        );
        assert!(!found(&mac).contains(&ADA.to_owned()));
    }
}

#[test]
fn an_own_message_to_a_peer_named_in_the_own_address_columns_is_posted() {
    for named in TWO_OR_MORE.into_iter().chain([[true, false, false]]) {
        for has_written in [false, true] {
            let mut mac = Mac::new();
            let chat = mac.chat_with_named_peer(named);
            if has_written {
                let hello = mac.incoming_from(ADA, "hello").set("account", Value::Null);
                mac.write(chat, &hello);
                mac.run_relay_past_waits();
                mac.advance(secs(70));
            }
            let before = mac.posted().len();
            mac.send_naming_peer(chat, "nice to meet you", named);
            mac.run_relay();
            // The row need not wait if the peer has written from that address.
            let at_once = usize::from(has_written);
            assert_eq!(
                mac.posted().len() - before,
                at_once,
                "{named:?} {has_written}"
            );
            mac.advance(secs(2));
            mac.run_relay();
            assert_eq!(
                posts(&mac).split_off(before),
                [post_from("owner", "nice to meet you")],
                "{named:?} {has_written}"
            );
        }
    }
}

#[test]
fn a_note_to_self_is_recognised_by_its_received_row() {
    for named in TWO_OR_MORE {
        for (apart, own_first) in [(0, true), (0, false), (40, true), (40, false)] {
            let mut mac = Mac::new();
            let chat = mac.chat_with_named_peer(named);
            let write = |mac: &mut Mac, is_own| {
                if is_own {
                    mac.send_naming_peer(chat, "milk", named)
                } else {
                    mac.receive_naming_peer(chat, "milk", named)
                }
            };
            let first = write(&mut mac, own_first);
            mac.run_relay();
            assert_eq!(mac.waiting_reasons(), ["no_other_side"], "{named:?}");
            mac.advance(Duration::from_millis(apart));
            let second = write(&mut mac, !own_first);
            mac.run_relay();
            for row in [first, second] {
                assert_eq!(
                    mac.outcome(row),
                    Some(RowOutcome::NoteToSelf),
                    "{named:?} {apart} {own_first}"
                );
            }
            assert_eq!(mac.posted(), []);
        }
    }
}

#[test]
fn a_row_of_another_instant_text_or_chat_is_not_the_other_row_of_a_note() {
    for named in TWO_OR_MORE {
        for (apart, answer) in [(400, "ok"), (0, "okay")] {
            let mut mac = Mac::new();
            let chat = mac.chat_with_named_peer(named);
            mac.send_naming_peer(chat, "ok", named);
            mac.advance(Duration::from_millis(apart));
            mac.receive_naming_peer(chat, answer, named);
            mac.run_relay_past_waits();
            assert_eq!(
                posts(&mac),
                [post_from("owner", "ok"), post_from("owner", answer)],
                "{named:?} {apart}"
            );
        }
    }
    // A row of another chat is not the other row of a note.
    let mut mac = Mac::new();
    let named = [true, true, true];
    let chat = mac.chat_with_named_peer(named);
    let (bob, _) = mac.direct_chat(BOB);
    mac.send_naming_peer(chat, "ok", named);
    mac.advance(Duration::from_millis(1));
    let said = mac.incoming_from(BOB, "ok");
    mac.write(bob, &said.set("destination_caller_id", Value::Null));
    mac.run_relay_past_waits();
    let mut posts = posts(&mac);
    posts.sort();
    assert_eq!(posts, [post_from(BOB, "ok"), post_from("owner", "ok")]);
}

#[test]
fn a_note_to_a_known_own_address_needs_no_received_row() {
    let named = [true, true, true];
    let mut mac = Mac::new();
    mac.start(FirstRun::Now, declaring(&[ADA]));
    let chat = mac.chat_with_named_peer(named);
    for row in [
        mac.send_naming_peer(chat, "milk", named),
        mac.receive_naming_peer(chat, "bread", named),
    ] {
        mac.run_relay();
        assert_eq!(mac.outcome(row), Some(RowOutcome::NoteToSelf));
    }
    // An address that the owner declares another person's is a person's.
    let mut mac = Mac::new();
    mac.start(FirstRun::Now, declaring(&[&format!("!{ADA}")]));
    let chat = mac.chat_with_named_peer(named);
    mac.send_naming_peer(chat, "hi ada", named);
    mac.receive_naming_peer(chat, "hi", named);
    mac.run_relay();
    assert_eq!(
        posts(&mac),
        [post_from("owner", "hi ada"), post_from(ADA, "hi")]
    );
}
