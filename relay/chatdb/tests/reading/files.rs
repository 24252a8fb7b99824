//! Databases of every macOS, unit and encoding; cursors, snapshots and the WAL.

use chatdb::{Body, ChatStyle, Row};
use messages_stand_in::{
    Attachment, Body as NewBody, Chat, ChatDb as StandIn, Date, DateUnit, NewMessage, Piece, Style,
    schema,
};

use super::databases::{Database, all};
use super::{ADA, BOB, HOUR, NOW, direct, now, only_row};

#[test]
fn every_schema_is_read_with_the_same_result() {
    for mut database in all() {
        let name = database.name.clone();
        let messages = &mut database.messages;
        let (chat, ada) = direct(messages, ADA);
        let group = messages
            .insert_chat(&Chat::group([ADA, BOB]).named("Trip"))
            .unwrap();
        let first = messages
            .deliver(chat, &NewMessage::incoming(ada, now()).text("héllo 👋"))
            .unwrap();
        let second = messages
            .deliver(group, &NewMessage::outgoing(now()).text("all"))
            .unwrap();
        let guid = messages.guid_of(first).unwrap();
        let db = database.open();

        let rows = db.rows_after(0, 10).unwrap();
        assert_eq!(rows.len(), 2, "{name}");
        let row = &rows[0];
        assert_eq!((row.rowid, &row.guid), (first, &guid), "{name}");
        assert_eq!(row.visible_text(), "héllo 👋", "{name}");
        assert_eq!(row.sent_at, Some(NOW), "{name}");
        assert_eq!(row.handle.as_deref(), Some(ADA), "{name}");
        assert_eq!(row.line.as_deref(), Some("+15550009999"), "{name}");
        assert_eq!(row.account.as_deref(), Some("+15550009999"), "{name}");
        assert_eq!(row.service.as_deref(), Some("iMessage"), "{name}");
        let chat = row.chat.as_ref().unwrap();
        assert_eq!(chat.style, ChatStyle::Direct, "{name}");
        assert_eq!(chat.participants, [ADA], "{name}");
        // A column that this macOS lacks reads as nothing.
        assert_eq!(
            (row.edited_at, &row.associated_emoji),
            (None, &None),
            "{name}"
        );
        assert_eq!((row.filter_action, row.schedule_type), (0, 0), "{name}");

        let row = &rows[1];
        assert!(row.is_from_me, "{name}");
        assert_eq!(row.handle, None, "{name}");
        let chat = row.chat.as_ref().unwrap();
        assert_eq!(chat.style, ChatStyle::Group, "{name}");
        assert_eq!(chat.participants, [ADA, BOB], "{name}");
        assert_eq!(chat.display_name.as_deref(), Some("Trip"), "{name}");

        assert_eq!(db.sequence().unwrap(), second, "{name}");
        assert_eq!(db.guid_at(first).unwrap(), Some(guid.clone()), "{name}");
        assert_eq!(db.guid_at(999).unwrap(), None, "{name}");
        assert_eq!(db.rowid_of(&guid).unwrap(), Some(first), "{name}");
        assert_eq!(db.rowid_of("no such guid").unwrap(), None, "{name}");
        assert_eq!(db.row(first).unwrap().unwrap().guid, guid, "{name}");
        assert!(db.row(999).unwrap().is_none(), "{name}");
        assert_eq!(db.rowids_since(NOW).unwrap(), [first, second], "{name}");
        let digests = db.row_digests(&[first, second]).unwrap();
        assert_eq!(digests.len(), 2, "{name}");
        for (digest, row) in digests.iter().zip(&rows) {
            assert_eq!(
                (digest.rowid, &digest.guid),
                (row.rowid, &row.guid),
                "{name}"
            );
            assert_eq!(digest.digest, row.digest, "{name}");
        }
    }
}

#[test]
fn a_database_with_only_the_required_columns_is_read() {
    let bare = "create table message (
                  ROWID integer primary key autoincrement, guid text, date, handle_id);
                create table chat (ROWID integer primary key, guid text);
                create table handle (ROWID integer primary key, id text);
                create table chat_message_join (chat_id, message_id);
                insert into message (guid) values ('A');
                insert into chat (guid) values ('iMessage;-;+15550100001');
                insert into chat_message_join values (1, 1);";
    let database = Database::with_statements("bare", bare);
    let db = database.open();
    let row = only_row(&db);
    assert_eq!((row.rowid, row.guid.as_str()), (1, "A"));
    assert_eq!((row.sent_at, row.visible_text()), (None, String::new()));
    assert_eq!(row.body, Body::Absent);
    let chat = row.chat.unwrap();
    assert_eq!(chat.style, ChatStyle::Direct);
    assert!(chat.participants.is_empty());
    assert_eq!(db.sequence().unwrap(), 1);
    assert_eq!(db.row_digests(&[1]).unwrap().len(), 1);
}

#[test]
fn dates_in_both_units_are_read_from_one_file() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let mut rowids = Vec::new();
    for (unit, age) in [
        (DateUnit::Seconds, 50 * HOUR),
        (DateUnit::Nanoseconds, 49 * HOUR),
        (DateUnit::Seconds, 2 * HOUR),
        (DateUnit::Nanoseconds, HOUR),
    ] {
        messages.set_date_unit(unit);
        let sent = Date::from_unix_micros(NOW - age);
        let message = NewMessage::incoming(ada, sent).text("hi");
        rowids.push(messages.deliver(chat, &message).unwrap());
    }
    let db = database.open();
    let ages: Vec<_> = db
        .rows_after(0, 10)
        .unwrap()
        .iter()
        .map(|row| (NOW - row.sent_at.unwrap()) / HOUR)
        .collect();
    assert_eq!(ages, [50, 49, 2, 1]);
    assert_eq!(db.rowids_since(NOW - 3 * HOUR).unwrap(), rowids[2..]);
    assert_eq!(db.rowids_since(NOW - 2 * HOUR).unwrap(), rowids[2..]);
    assert_eq!(db.rowids_since(NOW - HOUR).unwrap(), rowids[3..]);
    assert_eq!(db.rowids_since(0).unwrap(), rowids);
    let rowids_of_digests: Vec<i64> = db
        .row_digests(&rowids)
        .unwrap()
        .iter()
        .map(|digest| digest.rowid)
        .collect();
    assert_eq!(rowids_of_digests, rowids);
    assert!(db.row_digests(&[999]).unwrap().is_empty());
}

#[test]
fn a_database_in_utf_16_is_read() {
    let tables = schema::statements(Style::Ventura).join(";\n");
    let mut database = Database::with_statements(
        "utf-16",
        &format!("pragma encoding = 'UTF-16le';\n{tables}"),
    );
    let messages = &mut database.messages;
    let encoding: String = messages
        .raw()
        .query_row("pragma encoding", [], |row| row.get(0))
        .unwrap();
    assert_eq!(encoding, "UTF-16le");
    let (chat, ada) = direct(messages, ADA);
    for body in ["Grüße 👋", "in the column"] {
        let body = NewBody::Text(body.to_owned());
        messages
            .deliver(chat, &NewMessage::incoming(ada, now()).body(body))
            .unwrap();
    }
    messages
        .deliver(
            chat,
            &NewMessage::incoming(ada, now()).text("in the archive"),
        )
        .unwrap();
    let db = database.open();
    let rows = db.rows_after(0, 10).unwrap();
    let texts: Vec<_> = rows.iter().map(Row::visible_text).collect();
    assert_eq!(texts, ["Grüße 👋", "in the column", "in the archive"]);
    assert_eq!(rows[0].handle.as_deref(), Some(ADA));
    let guid = db.guid_at(1).unwrap().unwrap();
    assert_eq!(db.rowid_of(&guid).unwrap(), Some(1));
    assert_eq!(db.row_digests(&[1]).unwrap()[0].digest, rows[0].digest);
}

#[test]
fn the_sequence_outlives_the_newest_row() {
    let mut database = Database::new(Style::Ventura);
    assert_eq!(database.open().sequence().unwrap(), 0);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let text = |n: i32| NewMessage::incoming(ada, now()).text(n.to_string());
    let rowids: Vec<i64> = (0..3)
        .map(|n| messages.deliver(chat, &text(n)).unwrap())
        .collect();
    messages.delete_message(rowids[2]).unwrap();
    let db = database.open();
    assert_eq!(db.sequence().unwrap(), rowids[2]);
    assert_eq!(db.guid_at(rowids[2]).unwrap(), None);
    assert!(db.rows_after(rowids[1], 10).unwrap().is_empty());
}

#[test]
fn a_batch_begins_after_the_last_row_of_the_previous_one() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let rowids: Vec<i64> = (0..10)
        .map(|n| {
            // The dates descend, since the order must be by ROWID.
            let sent = Date::from_unix_micros(NOW - n * HOUR);
            messages
                .deliver(chat, &NewMessage::incoming(ada, sent).text("x"))
                .unwrap()
        })
        .collect();
    let db = database.open();
    let (mut cursor, mut read) = (0, Vec::new());
    loop {
        let rows = db.rows_after(cursor, 3).unwrap();
        let Some(last) = rows.last() else { break };
        assert!(rows.len() <= 3);
        cursor = last.rowid;
        read.extend(rows.iter().map(|row| row.rowid));
    }
    assert_eq!(read, rowids);
}

#[test]
fn no_call_leaves_a_transaction_open() {
    let mut database = Database::new(Style::Ventura);
    let (chat, ada) = direct(&mut database.messages, ADA);
    let db = database.open();
    let calls: [fn(&chatdb::ChatDb); 10] = [
        |db| assert_eq!(db.rows_after(0, 1).unwrap().len(), 1),
        |db| assert!(!db.rows_after(0, 500).unwrap().is_empty()),
        |db| assert!(db.row(1).unwrap().is_some()),
        |db| assert!(db.row(999).unwrap().is_none()),
        |db| assert!(!db.row_digests(&[1]).unwrap().is_empty()),
        |db| assert!(!db.rowids_since(0).unwrap().is_empty()),
        |db| assert!(db.sequence().unwrap() > 0),
        |db| assert!(db.guid_at(1).unwrap().is_some()),
        |db| assert!(db.rowid_of("nothing").unwrap().is_none()),
        |db| assert!(db.data_version().unwrap() > 0),
    ];
    for call in calls {
        let pieces = [Piece::attachment("at_0_X"), Piece::text("x").in_part(1)];
        let message = NewMessage::incoming(ada, now()).pieces(&pieces);
        let row = database.messages.deliver(chat, &message).unwrap();
        database
            .messages
            .attach(row, &Attachment::photo("a.jpg", 1), now())
            .unwrap();
        call(&db);
        assert!(database.messages.checkpoint().unwrap());
    }
}

#[test]
fn rows_that_are_only_in_the_wal_are_read() {
    let mut database = Database::new(Style::Ventura);
    let (chat, ada) = direct(&mut database.messages, ADA);
    assert!(database.messages.checkpoint().unwrap());
    let size = || std::fs::metadata(database.messages.path()).unwrap().len();
    let before = size();
    let db = database.open();
    let long = "x".repeat(50_000);
    let mut messages = StandIn::open(database.messages.path()).unwrap();
    messages
        .deliver(chat, &NewMessage::incoming(ada, now()).text(long.as_str()))
        .unwrap();
    assert_eq!(only_row(&db).visible_text(), long);
    assert_eq!(size(), before, "the row is only in the WAL");
    assert_eq!(only_row(&database.open()).visible_text(), long);
}
