//! What is read, from the chat.db of every macOS.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod databases;

use chatdb::{Body, ChatStyle, Row};
use databases::{Database, all};
use messages_stand_in::{
    Attachment, Body as NewBody, Chat, ChatDb as StandIn, Date, DateUnit, NewMessage, Piece, Style,
    TransferState, schema,
};
use shared_protocol::AttachmentState;

const ADA: &str = "+15550100001";
const BOB: &str = "bob@example.com";
const NOW: i64 = 1_790_000_000_000_000;
const HOUR: i64 = 3_600_000_000;

fn now() -> Date {
    Date::from_unix_micros(NOW)
}

fn direct(messages: &mut StandIn, peer: &str) -> (i64, i64) {
    let chat = messages.chat(&Chat::direct(peer)).unwrap();
    (chat, messages.handle(peer, "iMessage").unwrap())
}

fn only(db: &chatdb::ChatDb) -> Row {
    let mut rows = db.rows_after(0, 10).unwrap();
    assert_eq!(rows.len(), 1);
    rows.pop().unwrap()
}

#[test]
fn every_schema_reads_alike() {
    for mut database in all() {
        let name = database.name.clone();
        let messages = &mut database.messages;
        let (chat, ada) = direct(messages, ADA);
        let group = messages
            .chat(&Chat::group([ADA, BOB]).named("Trip"))
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
        // What this macOS has no column for reads as nothing.
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
        let marks = db.marks_since(NOW - HOUR, second).unwrap();
        assert_eq!(marks.len(), 2, "{name}");
        for (mark, row) in marks.iter().zip(&rows) {
            assert_eq!((mark.rowid, &mark.guid), (row.rowid, &row.guid), "{name}");
            assert_eq!(mark.digest, row.digest, "{name}");
        }
    }
}

#[test]
fn a_database_with_hardly_a_column_is_read() {
    let bare = "create table message (
                  ROWID integer primary key autoincrement, guid text, date, handle_id);
                create table chat (ROWID integer primary key, guid text);
                create table handle (ROWID integer primary key, id text);
                create table chat_message_join (chat_id, message_id);
                insert into message (guid) values ('A');
                insert into chat (guid) values ('iMessage;-;+15550100001');
                insert into chat_message_join values (1, 1);";
    let database = Database::laid_out("bare", bare);
    let db = database.open();
    let row = only(&db);
    assert_eq!((row.rowid, row.guid.as_str()), (1, "A"));
    assert_eq!((row.sent_at, row.visible_text()), (None, String::new()));
    assert_eq!(row.body, Body::Absent);
    let chat = row.chat.unwrap();
    assert_eq!(chat.style, ChatStyle::Direct);
    assert!(chat.participants.is_empty());
    assert_eq!(db.sequence().unwrap(), 1);
    assert!(db.marks_since(0, 9).unwrap().is_empty());
}

#[test]
fn both_units_of_dates_in_one_file() {
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
    let marked = |since, cursor| -> Vec<i64> {
        let mut marks: Vec<i64> = db
            .marks_since(since, cursor)
            .unwrap()
            .iter()
            .map(|mark| mark.rowid)
            .collect();
        marks.sort_unstable();
        marks
    };
    assert_eq!(marked(NOW - 24 * HOUR, rowids[3]), rowids[2..]);
    assert_eq!(marked(NOW - 24 * HOUR, rowids[2]), rowids[2..3]);
    assert_eq!(marked(i64::MIN, i64::MAX), rowids);
    assert!(marked(i64::MAX, i64::MAX).is_empty());
}

#[test]
fn a_database_in_utf_16() {
    let tables = schema::statements(Style::Ventura).join(";\n");
    let mut database = Database::laid_out(
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
    assert_eq!(db.marks_since(NOW, 9).unwrap()[0].digest, rows[0].digest);
}

#[test]
fn of_two_chats_the_lower_one_whatever_came_first() {
    for order in [[0, 1], [1, 0]] {
        let mut database = Database::new(Style::Tahoe);
        let messages = &mut database.messages;
        let (chat, ada) = direct(messages, ADA);
        let chats = [
            chat,
            messages
                .chat(&Chat::direct(ADA).with_guid("SMS;-;+15550100001"))
                .unwrap(),
        ];
        let message = NewMessage::incoming(ada, now()).text("hi");
        let row = messages.insert_message(&message).unwrap();
        for i in order {
            messages.join(chats[i], row).unwrap();
        }
        let row = only(&database.open());
        assert_eq!(row.chat.unwrap().guid, "any;-;+15550100001");
    }
}

#[test]
fn recently_deleted_messages_keep_their_chat() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let group = messages.chat(&Chat::group([ADA, BOB])).unwrap();
    let ada = messages.handle(ADA, "iMessage").unwrap();
    let row = messages
        .deliver(group, &NewMessage::incoming(ada, now()).text("gone"))
        .unwrap();
    messages.move_to_recently_deleted(row, now()).unwrap();
    let row = only(&database.open());
    assert_eq!(row.chat.unwrap().style, ChatStyle::Group);
}

#[test]
fn attachments_with_and_without_a_join() {
    let mut database = Database::new(Style::Sequoia);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let pieces = [
        Piece::attachment("at_0_JOINED"),
        Piece::attachment("PLAIN-UUID").in_part(1),
        Piece::attachment("at_2_NOT_YET").in_part(2),
        Piece::text("look").in_part(3),
    ];
    let message = NewMessage::incoming(ada, now()).pieces(&pieces);
    let row = messages.deliver(chat, &message).unwrap();
    let joined = Attachment::photo("a.jpg", 10).with_guid("at_0_JOINED");
    messages.attach(row, &joined, now()).unwrap();
    let preview = Attachment {
        transfer_name: Some("X.pluginPayloadAttachment".to_owned()),
        ..Attachment::default()
    };
    messages.attach(row, &preview, now()).unwrap();
    let unjoined = Attachment {
        filename: Some("~/Library/Messages/Attachments/ab/cd/E/b.heic".to_owned()),
        is_sticker: 1,
        ..Attachment::default()
    };
    let unjoined = unjoined
        .with_guid("PLAIN-UUID")
        .in_state(TransferState::Transferring);
    messages.insert_attachment(&unjoined, now()).unwrap();
    let row = only(&database.open());
    let found: Vec<_> = row
        .attachments
        .iter()
        .map(|a| (a.guid.as_str(), a.name.as_deref(), a.state, a.is_hidden))
        .collect();
    assert_eq!(found.len(), 3);
    assert_eq!(
        found[0],
        (
            "at_0_JOINED",
            Some("a.jpg"),
            AttachmentState::Finished,
            false
        )
    );
    assert_eq!(found[1].1, Some("X.pluginPayloadAttachment"));
    assert!(found[1].3, "a preview image is no photo of a person's");
    assert_eq!(
        found[2],
        (
            "PLAIN-UUID",
            Some("b.heic"),
            AttachmentState::Transferring,
            false
        )
    );
    assert!(row.attachments[2].is_sticker);
    assert_eq!(row.attachments[0].size_bytes, Some(10));
    assert_eq!(row.attachments[2].size_bytes, None);
    assert_eq!(row.visible_text(), "look");
    assert_eq!(row.body.attachment_guids().count(), 3);
}

#[test]
fn every_state_of_a_transfer() {
    use AttachmentState::{Failed, Finished, Transferring, Waiting};
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let row = messages
        .deliver(chat, &NewMessage::incoming(ada, now()).text("x"))
        .unwrap();
    let codes = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 99];
    for code in codes {
        let attachment = Attachment::photo("a.jpg", 1).in_state(TransferState::Code(code));
        messages.attach(row, &attachment, now()).unwrap();
    }
    let row = only(&database.open());
    let states: Vec<_> = row.attachments.iter().map(|a| a.state).collect();
    let expected = [
        Finished,
        Waiting,
        Transferring,
        Transferring,
        Transferring,
        Transferring,
        Finished,
        Failed,
        Waiting,
        Waiting,
    ];
    assert_eq!(states, expected);
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
fn batches_go_on_where_the_last_one_ended() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let rowids: Vec<i64> = (0..10)
        .map(|n| {
            // Newest first by date: the order is that of the ROWIDs all the same.
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
        |db| assert!(!db.marks_since(0, 99).unwrap().is_empty()),
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
fn what_is_only_in_the_wal_is_seen() {
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
    assert_eq!(only(&db).visible_text(), long);
    assert_eq!(size(), before, "it is in the WAL alone");
    assert_eq!(only(&database.open()).visible_text(), long);
}

#[test]
fn damaged_text_costs_no_row_and_no_more_than_itself() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let row = messages
        .deliver(chat, &NewMessage::incoming(ada, now()))
        .unwrap();
    let sql = "update message set guid = cast(x'41ff42' as text), text = cast(x'6869ff' as text),
               service = x'ff', attributedBody = 'no archive', message_summary_info = 7,
               date_edited = 'soon', part_count = 1.5";
    messages.raw().execute(sql, []).unwrap();
    let db = database.open();
    let read = only(&db);
    assert_eq!((read.rowid, read.guid.as_str()), (row, "A\u{fffd}B"));
    assert_eq!(read.visible_text(), "hi");
    assert_eq!(read.body, Body::Unreadable);
    assert_eq!((read.service, read.edited_at), (None, None));
    assert_eq!(db.marks_since(NOW, 9).unwrap()[0].digest, read.digest);
}

#[test]
fn an_archive_without_words_leaves_the_text_column_to_speak() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    for archive in [vec![], vec![Piece::text("")], vec![Piece::text("\u{fffc}")]] {
        let body = NewBody::Archive {
            archive: messages_stand_in::attributed_body(&archive),
            text: Some("in the column".to_owned()),
        };
        messages
            .deliver(chat, &NewMessage::incoming(ada, now()).body(body))
            .unwrap();
    }
    for row in database.open().rows_after(0, 10).unwrap() {
        assert_eq!(row.visible_text(), "in the column");
    }
}

#[test]
fn a_digest_tells_changes_of_content_from_marks_of_delivery() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let row = messages
        .deliver(chat, &NewMessage::incoming(ada, now()).text("helo"))
        .unwrap();
    let db = database.open();
    let messages = &mut database.messages;
    let digest = || db.marks_since(NOW, row).unwrap()[0].digest;
    let mut last = digest();
    let later = Date::from_unix_micros(NOW + HOUR);
    messages.mark_delivered(row, later).unwrap();
    messages.mark_read(row, later).unwrap();
    messages.mark_failed(row, 22).unwrap();
    messages.fall_back_to_sms(row).unwrap();
    assert_eq!(digest(), last);
    let mut changed = |what: &str| {
        let now = digest();
        assert_ne!(now, last, "{what}");
        assert_eq!(db.row(row).unwrap().unwrap().digest, now, "{what}");
        last = now;
    };
    messages.edit(row, "held", later).unwrap();
    changed("an edit of the same length");
    let photo = Attachment::photo("a.jpg", 1).in_state(TransferState::Waiting);
    let photo = messages.attach(row, &photo, later).unwrap();
    changed("an attachment");
    messages.finish_attachment(photo, 1).unwrap();
    changed("its arrival");
    messages.flip_from_me(row).unwrap();
    changed("the direction");
    messages.unsend(row, &[], later).unwrap();
    changed("an unsend");
}
