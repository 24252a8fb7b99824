//! Own addresses: how they are found, and which rows count as the owner's because of them.

mod copies;
mod notes;
mod peers;

use chatdb::{Address, Declaration, Lines};

use super::*;
use crate::state::own_addresses::{self, FoundAddresses};
use crate::state::seen::RowOutcome;

/// A second own address, which no row has unless a test writes it.
const ALIAS: &str = "sam@example.com";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Options of an owner who declares own addresses. An address that begins with an exclamation mark is
/// declared another person's.
fn declaring(addresses: &[&str]) -> Options {
    let (others, own): (Vec<&str>, Vec<&str>) =
        addresses.iter().partition(|text| text.starts_with('!'));
    Options {
        lines: Lines::new(Declaration {
            own: own.into_iter().map(address).collect(),
            others: others.iter().map(|text| address(&text[1..])).collect(),
            ..Declaration::default()
        }),
        ..Options::default()
    }
}

fn found(mac: &Mac) -> Vec<String> {
    let found = mac.state().read(own_addresses::found).unwrap();
    found.unwrap_or_default().addresses
}

/// The writer and the text of each post.
fn posts(mac: &Mac) -> Vec<(String, String)> {
    let posted = mac.posted().into_iter();
    posted
        .map(|message| {
            let from = if message.from_owner {
                "owner"
            } else {
                &message.sender
            };
            (from.to_owned(), message.text)
        })
        .collect()
}

fn post_from(who: &str, text: &str) -> (String, String) {
    (who.to_owned(), text.to_owned())
}

impl Mac {
    /// A received row from `writer`, dated now.
    fn incoming_from(&mut self, writer: &str, text: &str) -> NewMessage {
        let handle = self.messages.ensure_handle(writer, "iMessage").unwrap();
        NewMessage::incoming(handle, self.now()).text(text)
    }

    fn write(&mut self, chat: i64, message: &NewMessage) -> i64 {
        self.messages.deliver(chat, message).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.messages.raw().execute_batch(sql).unwrap();
    }

    /// Delivers a message to the alias, which proves the alias an own address.
    fn prove_alias(&mut self) {
        let (chat, _) = self.direct_chat(BOB);
        let message = self
            .incoming_from(BOB, "to the alias")
            .set("destination_caller_id", ALIAS.to_owned());
        self.write(chat, &message);
        self.run_relay();
    }
}

#[test]
fn an_own_message_received_from_another_own_address_is_posted_as_the_owners() {
    for known_by in ["declared", "account", "login", "a message to it"] {
        let mut mac = Mac::new();
        match known_by {
            "declared" => mac.start(FirstRun::Now, declaring(&[ALIAS])),
            "account" => {
                let (chat, _) = mac.direct_chat(BOB);
                let message = mac
                    .incoming_from(BOB, "x")
                    .set("account", format!("E:{ALIAS}"));
                mac.write(chat, &message);
            }
            "login" => {
                let chat = mac.messages.insert_chat(&Chat::direct(BOB)).unwrap();
                let login = format!("e:{}", ALIAS.to_uppercase());
                mac.messages
                    .set_chat_column(chat, "account_login", login)
                    .unwrap();
                let message = mac.incoming_from(BOB, "x");
                mac.write(chat, &message);
            }
            _ => mac.prove_alias(),
        }
        mac.run_relay();
        let before = mac.posted().len();
        let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
        let (direct, _) = mac.direct_chat(ADA);
        for chat in [group, direct] {
            mac.advance(secs(70));
            let now = mac.now();
            mac.write(chat, &NewMessage::outgoing(now).text("on my way"));
            let copy = mac.incoming_from("Sam@Example.com", "on my way");
            mac.write(chat, &copy);
            // A copy without an original in chat.db: the message was written on another device.
            mac.advance(secs(70));
            let alone = mac.incoming_from(ALIAS, "from the phone");
            mac.write(chat, &alone);
        }
        mac.run_relay();
        let posts: Vec<_> = posts(&mac).split_off(before);
        let owner = [
            post_from("owner", "on my way"),
            post_from("owner", "from the phone"),
        ];
        assert_eq!(
            posts,
            [owner.clone(), owner].concat(),
            "{known_by}: posted once each"
        );
        let senders = mac.posted().split_off(before);
        assert!(
            senders.iter().all(|message| message.sender == OWN),
            "{known_by}"
        );
    }
}

#[test]
fn a_copy_of_an_own_message_from_an_unknown_address_is_recognised_by_its_content() {
    let mut mac = Mac::new();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let now = mac.now();
    mac.write(group, &NewMessage::outgoing(now).text("on my way"));
    // Another device rounds the date differently, and the row appears later.
    mac.run_relay();
    mac.advance(Duration::from_millis(400));
    let copy = mac.incoming_from(ALIAS, "on my way");
    mac.write(group, &copy);
    mac.advance(secs(70));
    let others = mac.incoming_from(ALIAS, "something else");
    mac.write(group, &others);
    mac.run_relay();
    assert_eq!(
        posts(&mac),
        [
            post_from("owner", "on my way"),
            post_from("owner", "on my way"),
            post_from(ALIAS, "something else")
        ]
    );
    assert!(
        !found(&mac).contains(&ALIAS.to_owned()),
        "a copy proves no own address"
    );
}

#[test]
fn a_message_that_repeats_the_owners_text_is_posted_as_its_senders() {
    let mut mac = Mac::new();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let (direct, _) = mac.direct_chat(ADA);
    for chat in [group, direct] {
        let now = mac.now();
        mac.write(chat, &NewMessage::outgoing(now).text("ok"));
        let same = mac.incoming_from(ADA, "ok");
        mac.write(chat, &same);
    }
    mac.run_relay();
    let ada = posts(&mac)
        .into_iter()
        .filter(|post| *post == post_from(ADA, "ok"));
    assert_eq!(ada.count(), 2, "{:?}", posts(&mac));
}

#[test]
fn the_peer_a_participant_and_the_sender_never_become_own_addresses() {
    let mut mac = Mac::new();
    let (ada, _) = mac.direct_chat(ADA);
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let without_members = mac.messages.insert_chat(&Chat::group::<&str>([])).unwrap();
    mac.sql(&format!(
        "update chat set last_addressed_handle = '{ADA}', account_login = null"
    ));
    for (chat, writer, destination, account) in [
        (ada, ADA, ADA, ""),
        (ada, ADA, "", "P:+15550100001"),
        (group, ADA, BOB, BOB),
        (group, BOB, ADA, ADA),
        (without_members, BOB, ADA, ""),
        (group, "+15550100003", "tel:+1 555 010 0003", ""),
    ] {
        mac.advance(secs(1));
        let message = mac
            .incoming_from(writer, "hi")
            .set("destination_caller_id", destination.to_owned())
            .set("account", account.to_owned());
        mac.write(chat, &message);
    }
    mac.run_relay();
    mac.advance(secs(1));
    mac.run_relay();
    assert_eq!(found(&mac), [""; 0]);
    for person in [ADA, BOB, "+15550100003"] {
        mac.advance(secs(70));
        mac.receive(person, "still me");
        mac.run_relay();
        assert_eq!(posts(&mac).last(), Some(&post_from(person, "still me")));
    }
    assert_eq!(mac.posted().len(), 9);
    let lines = mac.posted().into_iter().filter_map(|message| message.line);
    assert!(lines.into_iter().all(|line| line == OWN));
}

#[test]
fn an_address_from_which_a_person_wrote_does_not_become_an_own_address() {
    let mut mac = Mac::new();
    mac.receive(ADA, "I am a person");
    mac.run_relay();
    let (bob, _) = mac.direct_chat(BOB);
    let message = mac
        .incoming_from(BOB, "to ada's number?")
        .set("destination_caller_id", ADA.to_owned());
    mac.write(bob, &message);
    mac.advance(secs(1));
    mac.receive(ADA, "and stay one");
    mac.run_relay();
    assert_eq!(found(&mac), [OWN]);
    assert_eq!(posts(&mac).last(), Some(&post_from(ADA, "and stay one")));
}

#[test]
fn messages_from_a_former_own_number_are_the_owners_unless_it_is_declared_another_persons() {
    for (options, expected) in [
        (Options::default(), "owner"),
        (declaring(&[&format!("!{ADA}")]), ADA),
    ] {
        let mut mac = Mac::new();
        mac.start(FirstRun::Now, options);
        let (bob, _) = mac.direct_chat(BOB);
        let old = mac
            .incoming_from(BOB, "old")
            .set("destination_caller_id", ADA.to_owned());
        mac.write(bob, &old);
        mac.run_relay();
        mac.advance(secs(70));
        mac.receive(ADA, "new phone, who is this?");
        mac.run_relay();
        assert_eq!(
            posts(&mac)[1],
            post_from(expected, "new phone, who is this?")
        );
        assert_eq!(found(&mac).contains(&ADA.to_owned()), expected == "owner");
    }
}

#[test]
fn a_first_start_and_an_upgrade_find_own_addresses_in_existing_rows() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    let (bob, _) = mac.direct_chat(BOB);
    let before = mac
        .incoming_from(BOB, "before the relay")
        .set("account", format!("E:{ALIAS}"));
    mac.write(bob, &before);
    mac.run_relay();
    assert_eq!(found(&mac), [OWN, ALIAS]);
    assert!(mac.posted().is_empty());
    // A state from before own addresses were searched for.
    mac.state()
        .write(|tx| {
            tx.execute(
                "delete from meta where key in ('own_addresses', 'lines')",
                [],
            )
        })
        .unwrap();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let copy = mac.incoming_from(ALIAS, "from the phone");
    mac.write(group, &copy);
    mac.run_relay();
    assert_eq!(posts(&mac), [post_from("owner", "from the phone")]);
    assert_eq!(found(&mac), [OWN, ALIAS]);
}

#[test]
fn a_found_own_address_is_kept_after_its_proving_rows_are_deleted() {
    let mut mac = Mac::new();
    mac.prove_alias();
    mac.sql("update message set destination_caller_id = null, account = null");
    mac.sql("update chat set account_login = null");
    let expected = FoundAddresses {
        addresses: vec![ALIAS.to_owned(), OWN.to_owned()],
        name: Some(OWN.to_owned()),
    };
    mac.run_relay();
    assert_eq!(
        mac.state().read(own_addresses::found).unwrap(),
        Some(expected)
    );
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let copy = mac.incoming_from(ALIAS, "from the phone");
    mac.write(group, &copy);
    mac.run_relay();
    assert_eq!(posts(&mac)[1], post_from("owner", "from the phone"));
}

#[test]
fn an_edit_of_a_copy_is_posted_as_the_owners() {
    let mut mac = Mac::new();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let now = mac.now();
    mac.write(group, &NewMessage::outgoing(now).text("on my way"));
    mac.advance(Duration::from_millis(1));
    let copy = mac.incoming_from(ALIAS, "on my way");
    let copy = mac.write(group, &copy);
    mac.run_relay();
    mac.prove_alias();
    let now = mac.now();
    mac.messages.edit(copy, "almost there", now).unwrap();
    mac.run_relay();
    let edits = mac
        .posted()
        .into_iter()
        .filter(|message| message.event == Event::Edit);
    assert!(edits.clone().count() == 1 && edits.into_iter().all(|edit| edit.from_owner));
}
