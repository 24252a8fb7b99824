//! Rows with their chats and attachments, odd values, and the digest by which a change is noticed.

use chatdb::{Body, ChatStyle};
use messages_stand_in::{
    Attachment, Body as NewBody, Chat, Date, NewMessage, Payload, Piece, RichLink, Style,
    TransferState,
};
use shared_protocol::AttachmentState;

use super::databases::Database;
use super::{ADA, BOB, HOUR, NOW, direct, now, only_row};

#[test]
fn of_two_chats_the_one_with_the_lower_rowid_is_used() {
    for order_of_joins in [[0, 1], [1, 0]] {
        let mut database = Database::new(Style::Tahoe);
        let messages = &mut database.messages;
        let (chat, ada) = direct(messages, ADA);
        let chats = [
            chat,
            messages
                .insert_chat(&Chat::direct(ADA).with_guid("SMS;-;+15550100001"))
                .unwrap(),
        ];
        let message = NewMessage::incoming(ada, now()).text("hi");
        let row = messages.insert_message(&message).unwrap();
        for i in order_of_joins {
            messages.join(chats[i], row).unwrap();
        }
        let row = only_row(&database.open());
        assert_eq!(row.chat.unwrap().guid, "any;-;+15550100001");
    }
}

#[test]
fn a_group_is_used_before_a_direct_chat_in_either_order() {
    // 43 is a group; 0 is unknown, so the guid decides.
    for style in [43, 0] {
        let mut database = Database::new(Style::Ventura);
        let messages = &mut database.messages;
        let (direct, ada) = direct(messages, ADA);
        let groups: Vec<_> = [1, 2]
            .map(|n| Chat::group([ADA, BOB]).with_guid(format!("iMessage;+;chat{n}")))
            .iter()
            .map(|group| messages.insert_chat(group).unwrap())
            .collect();
        for group in &groups {
            messages.set_chat_column(*group, "style", style).unwrap();
        }
        let message = NewMessage::incoming(ada, now()).text("hi");
        let row = messages.insert_message(&message).unwrap();
        for chat in [direct, groups[1], groups[0]] {
            messages.join(chat, row).unwrap();
        }
        let db = database.open();
        let chats: Vec<_> = db
            .chats_of(row)
            .unwrap()
            .iter()
            .map(|chat| chat.rowid)
            .collect();
        assert_eq!(chats, [groups[0], groups[1], direct]);
        assert_eq!(only_row(&db).chat.unwrap().rowid, groups[0]);
        let by_guid = db
            .chat("iMessage;+;chat2")
            .unwrap()
            .expect("the chat exists");
        assert_eq!(by_guid.participants, [ADA, BOB]);
        assert!(db.chat("iMessage;+;chat3").unwrap().is_none());
    }
}

#[test]
fn recently_deleted_messages_keep_their_chat() {
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let group = messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let ada = messages.ensure_handle(ADA, "iMessage").unwrap();
    let row = messages
        .deliver(group, &NewMessage::incoming(ada, now()).text("gone"))
        .unwrap();
    messages.move_to_recently_deleted(row, now()).unwrap();
    let row = only_row(&database.open());
    assert_eq!(row.chat.unwrap().style, ChatStyle::Group);
}

#[test]
fn attachments_with_and_without_a_join_are_read() {
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
        name: Some("X.pluginPayloadAttachment".to_owned()),
        ..Attachment::default()
    };
    messages.attach(row, &preview, now()).unwrap();
    let unjoined = Attachment {
        sticker: 1,
        ..Attachment::default()
    };
    let unjoined = unjoined
        .with_guid("PLAIN-UUID")
        .in_state(TransferState::TRANSFERRING);
    let rowid = messages.insert_attachment(&unjoined, false, now()).unwrap();
    let filename = "~/Library/Messages/Attachments/ab/cd/E/b.heic";
    let sql = "update attachment set filename = ?1 where ROWID = ?2";
    let parameters = rusqlite::params![filename, rowid];
    messages.raw().execute(sql, parameters).unwrap();
    let row = only_row(&database.open());
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
fn every_code_of_a_transfer_has_a_state() {
    use AttachmentState::{Failed, Finished, Transferring, Waiting};
    let mut database = Database::new(Style::Ventura);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let row = messages
        .deliver(chat, &NewMessage::incoming(ada, now()).text("x"))
        .unwrap();
    let codes = [-1, 0, 1, 2, 3, 4, 5, 6, 7, 99];
    for code in codes {
        let attachment = Attachment::photo("a.jpg", 1).in_state(TransferState(code));
        messages.attach(row, &attachment, now()).unwrap();
    }
    let row = only_row(&database.open());
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
fn a_row_with_damaged_values_loses_only_those() {
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
    let read = only_row(&db);
    assert_eq!((read.rowid, read.guid.as_str()), (row, "A\u{fffd}B"));
    assert_eq!(read.visible_text(), "hi");
    assert_eq!(read.body, Body::Unreadable);
    assert_eq!((read.service, read.edited_at), (None, None));
    assert_eq!(db.row_digests(&[row]).unwrap()[0].digest, read.digest);
}

#[test]
fn an_archive_without_words_falls_back_to_the_text_column() {
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
fn a_digest_changes_with_content_and_not_with_delivery() {
    const ANY_ERROR: i64 = 22;
    let mut database = Database::new(Style::Tahoe);
    let messages = &mut database.messages;
    let (chat, ada) = direct(messages, ADA);
    let row = messages
        .deliver(chat, &NewMessage::incoming(ada, now()).text("helo"))
        .unwrap();
    let db = database.open();
    let messages = &mut database.messages;
    let digest = || db.row_digests(&[row]).unwrap()[0].digest;
    let mut last = digest();
    let later = Date::from_unix_micros(NOW + HOUR);
    messages.mark_delivered(row, later).unwrap();
    messages.mark_read(row, later).unwrap();
    messages.mark_failed(row, ANY_ERROR).unwrap();
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
    let photo = Attachment::photo("a.jpg", 1).in_state(TransferState::WAITING);
    let photo = messages.attach(row, &photo, later).unwrap();
    changed("an attachment");
    messages.finish_attachment(photo, 1).unwrap();
    changed("its arrival");
    messages.transcribe_attachment(photo, "hello").unwrap();
    changed("what is said in it");
    messages
        .raw()
        .execute(
            "update attachment set emoji_image_short_description = 'a cat'",
            [],
        )
        .unwrap();
    changed("what it shows");
    for url in ["https://example.com", "https://example.com/a"] {
        let payload = RichLink::new(url).payload();
        messages.set_column(row, "payload_data", payload).unwrap();
        changed("a payload");
    }
    messages.flip_from_me(row).unwrap();
    changed("the direction");
    messages.unsend(row, &[], later).unwrap();
    changed("an unsend");
}
