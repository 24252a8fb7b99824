//! How far own messages were sent, read on every schema.

use chatdb::SentFlags;
use messages_stand_in::{Date, NewMessage};

use super::{ADA, BOB, HOUR, NOW, databases, direct, now};

#[test]
fn flags_of_own_rows_are_read_by_guid_and_with_the_row() {
    for mut database in databases::all() {
        let name = database.name.clone();
        let messages = &mut database.messages;
        let (chat, _) = direct(messages, ADA);
        let mut own = |message: NewMessage| messages.deliver(chat, &message).unwrap();
        let delivered = own(NewMessage::outgoing(now()).text("one"));
        let failed = own(NewMessage::outgoing(now()).text("two"));
        let downgraded = own(NewMessage::outgoing(now()).text("three"));
        let by_focus = own(NewMessage::outgoing(now())
            .text("four")
            .set("is_auto_reply", 1)
            .set("is_sent", 0));
        messages.mark_delivered(delivered, now()).unwrap();
        messages.mark_failed(failed, 22).unwrap();
        messages.fall_back_to_sms(downgraded).unwrap();
        let sent = SentFlags {
            is_sent: true,
            ..SentFlags::default()
        };
        let expected = [
            SentFlags {
                is_delivered: true,
                delivered_at: Some(NOW),
                ..sent
            },
            SentFlags { error: 22, ..sent },
            SentFlags {
                was_downgraded: true,
                ..sent
            },
            SentFlags {
                is_auto_reply: true,
                ..SentFlags::default()
            },
        ];
        let rowids = [delivered, failed, downgraded, by_focus];
        let mut guids: Vec<_> = rowids.map(|row| messages.guid_of(row).unwrap()).into();
        guids.insert(2, "missing".to_owned());
        let db = database.open();
        let whole = db.rows_by_guid(&guids).unwrap();
        let found: Vec<_> = whole.iter().map(|row| (row.rowid, row.sent)).collect();
        let expected: Vec<_> = rowids.into_iter().zip(expected).collect();
        assert_eq!(found, expected, "{name}");
        assert!(whole.iter().all(|row| row.chat.is_some()), "{name}");
        let light = db.sent_rows(&guids).unwrap();
        let found: Vec<_> = light.iter().map(|row| (row.rowid, row.sent)).collect();
        assert_eq!(found, expected, "{name}");
        assert!(light.iter().all(|row| row.is_from_me), "{name}");
        assert_eq!(light[2].service.as_deref(), Some("SMS"), "{name}");
        assert_eq!(light[2].guid, guids[3], "{name}");
    }
}

#[test]
fn own_rows_since_a_date_are_found_in_the_order_of_insertion() {
    for mut database in databases::all() {
        let messages = &mut database.messages;
        let (chat, ada) = direct(messages, ADA);
        let at = |micros: i64| Date::from_unix_micros(NOW + micros);
        let mut write = |message: NewMessage| messages.deliver(chat, &message).unwrap();
        write(NewMessage::outgoing(at(-HOUR)).text("before"));
        let later = write(NewMessage::outgoing(at(HOUR)).text("later"));
        write(NewMessage::incoming(ada, at(1)).text("a person's"));
        let first = write(NewMessage::outgoing(at(0)).text("at the time"));
        let found = database.open().own_rowids_since(NOW).unwrap();
        assert_eq!(found, [later, first], "{}", database.name);
    }
}

#[test]
fn own_rows_of_an_instant_are_found_with_their_chat() {
    for mut database in databases::all() {
        let messages = &mut database.messages;
        let (chat, ada) = direct(messages, ADA);
        let at = |micros: i64| Date::from_unix_micros(NOW + micros);
        let mut write = |message: NewMessage| messages.deliver(chat, &message).unwrap();
        let one = write(NewMessage::outgoing(at(0)).text("one"));
        write(NewMessage::outgoing(at(1_000_000)).text("a second later"));
        write(NewMessage::incoming(ada, at(0)).text("a person's"));
        let two = write(NewMessage::outgoing(at(0)).text("two"));
        let found = database.open().own_rows_at(NOW).unwrap();
        let rowids: Vec<_> = found.iter().map(|row| row.rowid).collect();
        assert_eq!(rowids, [one, two], "{}", database.name);
        assert!(found.iter().all(|row| row.chat.is_some()));
    }
}

#[test]
fn an_own_message_after_a_row_answers_it_in_the_same_chat_only() {
    for mut database in databases::all() {
        let name = database.name.clone();
        let messages = &mut database.messages;
        let (adas, ada) = direct(messages, ADA);
        let (bobs, bob) = direct(messages, BOB);
        let at = |micros: i64| Date::from_unix_micros(NOW + micros);
        let asked = messages
            .deliver(adas, &NewMessage::incoming(ada, at(0)).text("well?"))
            .unwrap();
        let bob_asked = messages
            .deliver(bobs, &NewMessage::incoming(bob, at(0)).text("well?"))
            .unwrap();
        let failed = NewMessage::outgoing(at(1)).text("no").set("error", 22);
        let tapback = NewMessage::outgoing(at(1)).set("associated_message_type", 2000);
        let earlier = NewMessage::outgoing(at(-1)).text("before");
        for no_answer in [failed, tapback, earlier] {
            messages.deliver(adas, &no_answer).unwrap();
        }
        let db = database.open();
        let none: [String; 0] = [];
        assert_eq!(db.own_rows_after(asked).unwrap(), none, "{name}");
        let answers = ["yes", "and no"].map(|text| {
            let answer = NewMessage::outgoing(at(1)).text(text);
            let row = database.messages.deliver(adas, &answer).unwrap();
            database.messages.guid_of(row).unwrap()
        });
        assert_eq!(db.own_rows_after(asked).unwrap(), answers, "{name}");
        assert_eq!(db.own_rows_after(bob_asked).unwrap(), none, "{name}");
    }
}
