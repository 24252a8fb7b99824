//! Rows with values that Messages does not write.

use messages_stand_in::Body;
use rusqlite::types::Value;

use super::*;

#[test]
fn a_row_with_an_unreadable_body_is_posted_with_its_text_column_or_a_placeholder() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    for (archive, text) in [
        (vec![0xff; 300], Some("the text column")),
        (b"bplist00\x01\x02".to_vec(), Some("the other text")),
        (b"\x04\x0bstreamtyped\x81\xe8".to_vec(), None),
    ] {
        let body = Body::Archive {
            archive,
            text: text.map(str::to_owned),
        };
        mac.messages
            .deliver(chat, &NewMessage::incoming(ada, now).body(body))
            .unwrap();
    }
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        [
            "the text column",
            "the other text",
            "[a message that cannot be read on this Mac]"
        ]
    );
}

#[test]
fn rows_with_null_or_a_wrong_type_in_a_column_are_accounted_for_and_stop_no_other_row() {
    let mut mac = Mac::new();
    let columns = messages_stand_in::schema::columns(Style::Ventura, "message");
    let values = [
        Value::Null,
        Value::Text("text".to_owned()),
        Value::Blob(vec![0xff, 0x00]),
        Value::Real(-1.5e300),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
    ];
    for column in columns
        .iter()
        .filter(|column| !["ROWID", "guid"].contains(column))
    {
        for value in &values {
            let row = mac.receive(ADA, "odd");
            mac.messages.set_column(row, column, value).unwrap();
        }
    }
    mac.receive(BOB, "the last one");
    mac.run_relay();
    mac.advance(secs(5));
    mac.run_relay();
    assert!(mac.texts().contains(&"the last one".to_owned()));
    let rows: i64 = mac
        .messages
        .raw()
        .query_row("select count(*) from message", [], |row| row.get(0))
        .unwrap();
    let seen: i64 = mac
        .state()
        .read(|s| s.query_row("select count(*) from seen", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(seen, rows, "every row is accounted for");
    // `posted` also checks that the backend accepts each post.
    assert!(mac.posted().len() > columns.len());
}
