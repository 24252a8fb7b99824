//! Rows with any combination of addresses in the own-address columns: destination, account and last
//! addressed handle.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rusqlite::types::Value;

use super::*;

const CY: &str = "cy@example.com";
/// Own addresses in their normal form.
const OWN: [&str; 3] = ["+15550009999", "sage@example.com", "+15550008888"];
/// Own addresses as columns write them, and texts that are no address.
const OWN_ADDRESS_VALUES: [&str; 12] = [
    "+15550009999",
    "tel:+15550009999",
    "P:+1 555 000 9999",
    "\u{202a}+15550009999\u{202c}",
    "E:Sage@Example.com",
    "sage@example.com",
    "p:+15550008888",
    "",
    "E:",
    "P:",
    "30300",
    "null",
];
/// The persons in each chat.
const CHATS: [&[&str]; 4] = [&[ADA], &[BOB], &[ADA, BOB], &[ADA, BOB, CY]];

#[derive(Clone, Debug)]
struct AnyRow {
    chat: usize,
    /// The owner, or the person with this number in the chat.
    writer: Option<usize>,
    destination: &'static str,
    /// The person in the chat whose address stands as the destination of a received row, if any.
    person_as_destination: Option<usize>,
    account: &'static str,
    last_addressed: &'static str,
}

fn any_row() -> impl Strategy<Value = AnyRow> {
    let values = || select(OWN_ADDRESS_VALUES.to_vec());
    let last_addressed = select(vec![ADA, BOB, CY, OWN[0], OWN[1], "null"]);
    (
        0..CHATS.len(),
        proptest::option::of(0..3_usize),
        values(),
        values(),
        last_addressed,
    )
        .prop_flat_map(|(chat, writer, destination, account, last_addressed)| {
            proptest::option::of(0..3_usize).prop_map(move |person_as_destination| AnyRow {
                chat,
                writer: writer.map(|n| n % CHATS[chat].len()),
                destination,
                person_as_destination: person_as_destination
                    .map(|n| n % CHATS[chat].len())
                    .filter(|_| writer.is_some()),
                account,
                last_addressed,
            })
        })
}

fn value(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        text => text.to_owned().into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_post_has_the_writer_of_its_row_and_no_line_but_one_own_address(rows in vec(any_row(), 1..24)) {
        let mut mac = Mac::before_first_run(Style::Tahoe);
        let chats = CHATS.map(|people| {
            let chat = match people {
                [peer] => Chat::direct(*peer),
                people => Chat::group(people.iter().copied()),
            };
            mac.messages.insert_chat(&chat).unwrap()
        });
        mac.messages.raw().execute_batch("update chat set account_login = null").unwrap();
        mac.run_relay();
        let mut expected = Vec::new();
        for (n, row) in rows.iter().enumerate() {
            mac.advance(secs(70));
            let people = CHATS[row.chat];
            let now = mac.now();
            let message = match row.writer {
                Some(writer) => {
                    let handle = mac.messages.ensure_handle(people[writer], "iMessage").unwrap();
                    NewMessage::incoming(handle, now)
                }
                None => NewMessage::outgoing(now),
            };
            let destination = row.person_as_destination.map_or(row.destination, |other| people[other]);
            let message = message
                .text(format!("message {n}"))
                .set("destination_caller_id", value(destination))
                .set("account", value(row.account));
            mac.messages
                .raw()
                .execute(
                    "update chat set last_addressed_handle = ?1 where ROWID = ?2",
                    rusqlite::params![value(row.last_addressed), chats[row.chat]],
                )
                .unwrap();
            mac.messages.deliver(chats[row.chat], &message).unwrap();
            expected.push((format!("message {n}"), row.writer.map(|writer| people[writer])));
            if n % 3 == 0 {
                mac.run_relay();
            }
        }
        mac.run_relay();
        let posted = mac.posted();
        prop_assert_eq!(posted.len(), expected.len());
        let mut first_line: Option<&str> = None;
        for (message, (text, writer)) in posted.iter().zip(&expected) {
            prop_assert_eq!(&message.text, text);
            prop_assert_eq!(message.from_owner, writer.is_none());
            let line = message.line.as_deref();
            prop_assert!(line.is_none_or(|line| OWN.contains(&line)), "{line:?}");
            let sender = writer.or(line).unwrap_or("me");
            prop_assert_eq!(&message.sender, sender);
            prop_assert!(first_line.is_none() || line == first_line, "{line:?} was {first_line:?}");
            first_line = first_line.or(line);
        }
    }
}
