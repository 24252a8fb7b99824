//! The line of a message, for every way in which rows write own addresses, and the names of lines.

use chatdb::{Address, Declaration, Lines};
use rusqlite::types::Value;

use super::*;
use crate::state::own_addresses;

/// Two more own addresses.
const MAILBOX: &str = "sage@example.com";
const OTHER: &str = "+15550008888";

fn declaring(lines: &[&[&str]]) -> Options {
    let line = |line: &&[&str]| {
        line.iter()
            .map(|text| Address::parse(text).unwrap())
            .collect()
    };
    Options {
        lines: Lines::new(Declaration {
            lines: lines.iter().map(line).collect(),
            ..Declaration::default()
        }),
        ..Options::default()
    }
}

fn text(text: &str) -> Value {
    text.to_owned().into()
}

impl Mac {
    fn message_to(&mut self, destination: Value, account: Value) -> NewMessage {
        let (_, ada) = self.direct_chat(ADA);
        self.advance(secs(1));
        NewMessage::incoming(ada, self.now())
            .text("hi")
            .set("destination_caller_id", destination)
            .set("account", account)
    }

    fn receive_on(&mut self, destination: Value, account: Value) {
        let message = self.message_to(destination, account);
        let (chat, _) = self.direct_chat(ADA);
        self.messages.deliver(chat, &message).unwrap();
        self.run_relay();
    }

    fn last_line(&self) -> Option<String> {
        self.posted().pop().and_then(|message| message.line)
    }

    fn reported_lines(&self) -> Vec<Vec<String>> {
        let lines = self.state().read(own_addresses::lines).unwrap();
        assert!(lines.iter().all(|line| line.addresses[0] == line.name));
        lines.into_iter().map(|line| line.addresses).collect()
    }
}

#[test]
fn every_notation_in_the_own_address_columns_gives_the_same_line() {
    let mut mac = Mac::new();
    for (destination, account) in [
        (text(OWN), text("P:+15550009999")),
        (Value::Null, text("P:+15550009999")),
        (text(""), text("p:tel:+1 (555) 000-9999")),
        (text("tel:+15550009999"), Value::Null),
        (text("TEL:+1-555-000-9999"), text("E:sage@example.com")),
        (text("P:+15550009999"), text("e:Sage@Example.com")),
        (text("E:Sage@Example.COM"), text("")),
        (text("sage@example.com"), text("E:")),
        (text("\u{202a}+15550009999\u{202c}"), text("E:")),
        (text(OTHER), text("E:sage@example.com")),
        (Value::Null, Value::Null),
        (text(ADA), Value::Null),
        (Value::Null, text("P:+15550100001")),
    ] {
        mac.receive_on(destination.clone(), account.clone());
        assert_eq!(
            mac.last_line().as_deref(),
            Some(OWN),
            "{destination:?} {account:?}"
        );
    }
    assert_eq!(mac.posted().len(), 13);
    assert_eq!(mac.reported_lines(), [[OWN, MAILBOX, OTHER]]);
}

#[test]
fn the_peer_is_never_the_line_or_the_sender_of_an_own_row() {
    for (destination, account) in [
        (Value::Null, Value::Null),
        (text(ADA), Value::Null),
        (text(""), text("")),
        (text("tel:+15550100001"), text("E:")),
    ] {
        let mut mac = Mac::new();
        let (chat, _) = mac.direct_chat(ADA);
        let raw = mac.messages.raw();
        raw.execute_batch(&format!(
            "update chat set last_addressed_handle = '{ADA}', account_login = null"
        ))
        .unwrap();
        // Ada has written in this chat before, so the row is no note to self.
        mac.receive_on(Value::Null, Value::Null);
        assert_eq!(
            mac.last_line(),
            None,
            "no column on this Mac has an own address"
        );
        let now = mac.now();
        let own = NewMessage::outgoing(now)
            .text("hello ada")
            .set("destination_caller_id", destination.clone())
            .set("account", account.clone());
        mac.messages.deliver(chat, &own).unwrap();
        mac.run_relay();
        let own = mac.posted().pop().unwrap();
        assert_eq!(
            (own.text.as_str(), own.sender.as_str()),
            ("hello ada", "me")
        );
        assert_eq!((own.line.as_deref(), own.from_owner), (None, true));

        mac.advance(secs(1));
        mac.receive_on(text(OWN), Value::Null);
        assert_eq!(
            mac.last_line().as_deref(),
            Some(OWN),
            "a column has an own address now"
        );
        mac.advance(secs(1));
        let now = mac.now();
        let own = NewMessage::outgoing(now)
            .text("hello again")
            .set("destination_caller_id", destination)
            .set("account", account);
        mac.messages.deliver(chat, &own).unwrap();
        mac.run_relay();
        let own = mac.posted().pop().unwrap();
        assert_eq!((own.sender.as_str(), own.line.as_deref()), (OWN, Some(OWN)));
    }
}

#[test]
fn a_line_keeps_its_first_name_unless_another_name_is_declared() {
    let mut mac = Mac::new();
    mac.messages
        .raw()
        .execute_batch(
            "create trigger logins after insert on chat begin
             update chat set account_login = null, last_addressed_handle = null; end",
        )
        .unwrap();
    mac.receive_on(Value::Null, text("E:sage@example.com"));
    assert_eq!(mac.last_line().as_deref(), Some(MAILBOX));
    mac.receive_on(text(OWN), text("E:sage@example.com"));
    assert_eq!(
        mac.last_line().as_deref(),
        Some(MAILBOX),
        "a later number renames nothing"
    );
    assert_eq!(mac.reported_lines(), [[MAILBOX, OWN]]);

    mac.start(FirstRun::Now, declaring(&[&[OTHER], &[OWN, MAILBOX]]));
    mac.receive_on(text(MAILBOX), Value::Null);
    assert_eq!(
        mac.last_line().as_deref(),
        Some(OWN),
        "a declared name takes precedence"
    );
    assert_eq!(mac.reported_lines(), [vec![OTHER], vec![OWN, MAILBOX]]);

    mac.start(FirstRun::Now, Options::default());
    mac.receive_on(text(OWN), Value::Null);
    assert_eq!(
        mac.last_line().as_deref(),
        Some(MAILBOX),
        "without the declaration the first name counts again"
    );
}

#[test]
fn a_line_of_a_phone_number_and_an_email_address_is_named_by_the_phone_number() {
    let mut mac = Mac::new();
    mac.receive_on(text(OWN), text("E:sage@example.com"));
    assert_eq!(mac.last_line().as_deref(), Some(OWN));
    assert_eq!(mac.reported_lines().len(), 1);
    assert_eq!(mac.reported_lines()[0][0], OWN);
}

#[test]
fn a_message_gets_the_declared_line_of_its_destination_address() {
    let mut mac = Mac::new();
    mac.start(
        FirstRun::Now,
        declaring(&[&[OWN, "home@example.com"], &[MAILBOX, OTHER]]),
    );
    for (destination, account, expected) in [
        (text(OWN), text("E:sage@example.com"), OWN),
        (text("E:Home@example.com"), Value::Null, OWN),
        (text(OTHER), text("P:+15550009999"), MAILBOX),
        (Value::Null, text("E:sage@example.com"), MAILBOX),
        (text("+15550007777"), text("E:sage@example.com"), OWN),
        (Value::Null, Value::Null, OWN),
    ] {
        let message = mac.message_to(destination.clone(), account.clone());
        let (chat, _) = mac.direct_chat(ADA);
        mac.messages
            .raw()
            .execute_batch("update chat set account_login = null")
            .unwrap();
        mac.messages.deliver(chat, &message).unwrap();
        mac.run_relay();
        assert_eq!(
            mac.last_line().as_deref(),
            Some(expected),
            "{destination:?} {account:?}"
        );
    }
    // The address was found and belongs to no declared line, so the message counts for the first line.
    assert_eq!(
        mac.reported_lines(),
        [
            vec![OWN, "home@example.com", "+15550007777"],
            vec![MAILBOX, OTHER]
        ]
    );
    let (chat, _) = mac.direct_chat(ADA);
    let now = mac.now();
    let own = NewMessage::outgoing(now)
        .text("from the second")
        .set("destination_caller_id", OTHER.to_owned());
    mac.messages.deliver(chat, &own).unwrap();
    mac.run_relay();
    let own = mac.posted().pop().unwrap();
    assert_eq!(
        (own.sender.as_str(), own.line.as_deref()),
        (MAILBOX, Some(MAILBOX))
    );
}

#[test]
fn the_last_addressed_handle_of_a_chat_counts_only_if_it_is_an_own_address() {
    for (last, expected) in [(OTHER, OTHER), (ADA, OWN), ("+15550100003", OWN)] {
        let mut mac = Mac::new();
        mac.start(FirstRun::Now, declaring(&[&[OWN], &[OTHER]]));
        let (_, _) = mac.direct_chat(ADA);
        mac.messages
            .raw()
            .execute_batch(&format!(
                "update chat set account_login = null, last_addressed_handle = '{last}'"
            ))
            .unwrap();
        mac.receive_on(Value::Null, Value::Null);
        assert_eq!(mac.last_line().as_deref(), Some(expected), "{last}");
    }
}

#[test]
fn invisible_marks_around_an_address_do_not_change_it() {
    let marked = "\u{202a}+1 555 010\u{2011}0001\u{202c}";
    let mut mac = Mac::new();
    mac.receive(ADA, "plain");
    let chat = Chat::direct(marked).with_guid(format!("SMS;-;\u{202a}{ADA}\u{202c}"));
    let chat = mac.messages.insert_chat(&chat).unwrap();
    let handle = mac.messages.ensure_handle(marked, "SMS").unwrap();
    let group = mac
        .messages
        .insert_chat(&Chat::group([marked, "\u{2068}Bob@Example.com\u{2069}"]))
        .unwrap();
    for chat in [chat, group] {
        mac.advance(secs(1));
        let message = NewMessage::incoming(handle, mac.now()).text("marked");
        mac.messages.deliver(chat, &message).unwrap();
    }
    mac.run_relay();
    let posted = mac.posted();
    assert!(posted.iter().all(|message| message.sender == ADA));
    assert_eq!(posted[1].participants, [ADA]);
    assert_eq!(posted[2].participants, [ADA, "bob@example.com"]);
    assert_eq!(posted[1].chat_guid, format!("SMS;-;{ADA}"));
    let lanes: Vec<&str> = posted
        .iter()
        .map(|message| chatdb::lane(&message.chat_guid))
        .collect();
    assert_eq!(lanes[0], lanes[1], "one person, one conversation");
}

#[test]
fn a_row_with_invisible_marks_and_without_a_chat_holds_back_the_chat_of_its_sender() {
    let mut mac = Mac::new();
    let (ada, _) = mac.direct_chat(ADA);
    let marked = mac
        .messages
        .ensure_handle("tel:\u{200e}+15550100001", "SMS")
        .unwrap();
    let now = mac.now();
    let first = NewMessage::incoming(marked, now).text("first");
    let first = mac.messages.insert_message(&first).unwrap();
    mac.receive(ADA, "second");
    mac.run_relay();
    assert_eq!(mac.texts(), [""; 0]);
    mac.messages.join(ada, first).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["first", "second"]);
}
