//! Attributes of a text, a chat and an attachment that are posted: parts, mentions, descriptions, the
//! part of a reply, the name of a group.

use messages_stand_in::{Attachment, Attribute, Piece, TransferState};

use super::*;

#[test]
fn attachments_are_posted_in_the_order_of_their_parts_with_their_descriptions() {
    let mut mac = Mac::before_first_run(Style::Sequoia);
    mac.run_relay();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let pieces = [
        Piece::text("me today: "),
        Piece::attachment("GENMOJI"),
        Piece::attachment("PHOTO").in_part(1),
        Piece::attachment("LATE").in_part(2),
        Piece::text("bye").in_part(3),
    ];
    let message = NewMessage::incoming(ada, now).pieces(&pieces);
    let row = mac.messages.deliver(chat, &message).unwrap();
    let genmoji = Attachment {
        sticker: 1,
        ..Attachment::genmoji("a cat that codes")
    };
    // The attachments are joined in another order than the text has them.
    for (file, guid) in [
        (Attachment::photo("loose.jpg", 3), "LOOSE"),
        (Attachment::photo("b.jpg", 2), "PHOTO"),
        (genmoji, "GENMOJI"),
    ] {
        mac.messages
            .attach(row, &file.with_guid(guid), now)
            .unwrap();
    }
    mac.run_relay();
    mac.advance(secs(5));
    mac.run_relay();
    let message = mac.posted().remove(0);
    assert_eq!(message.text, "me today: bye");
    let posts: Vec<_> = message
        .attachments
        .iter()
        .map(|a| {
            (
                a.guid.as_str(),
                a.part,
                a.description.as_deref(),
                a.is_sticker,
            )
        })
        .collect();
    let expected = [
        ("GENMOJI", Some(0), Some("a cat that codes"), true),
        ("PHOTO", Some(1), None, false),
        ("LATE", Some(2), None, false),
        ("LOOSE", None, None, false),
    ];
    assert_eq!(posts, expected);
}

#[test]
fn a_late_description_is_posted_as_an_attachment_update() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let message = NewMessage::incoming(ada, now).pieces(&[Piece::attachment("GENMOJI")]);
    let row = mac.messages.deliver(chat, &message).unwrap();
    let mut genmoji = Attachment::genmoji("").with_guid("GENMOJI");
    genmoji.description = None;
    mac.messages
        .attach(row, &genmoji.in_state(TransferState::FINISHED), now)
        .unwrap();
    mac.run_relay();
    let sql = "update attachment set emoji_image_short_description = 'a cat'";
    mac.messages.raw().execute(sql, []).unwrap();
    mac.run_relay();
    mac.run_relay();
    assert_eq!(
        mac.events(),
        [(Event::Message, 0), (Event::AttachmentUpdate, 1)]
    );
    let update = mac.posted().remove(1);
    assert_eq!(update.attachments[0].description.as_deref(), Some("a cat"));
}

#[test]
fn mentions_are_posted_once_each_in_the_order_of_the_text() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let mention =
        |text: &str, address: &str| Piece::text(text).with(Attribute::Mention(address.to_owned()));
    let pieces = [
        mention("Bob", BOB),
        Piece::text(" and "),
        mention("Ada", "ada@example.com"),
        mention(" Bob", BOB),
        mention(" Bob", "tel:\u{202a}+1 (555) 010-0002\u{202c}"),
        mention(" Ada", "mailto:Ada@Example.com"),
        mention("no one", "\u{7}"),
    ];
    let message = NewMessage::incoming(ada, now).pieces(&pieces);
    let row = mac.messages.deliver(chat, &message).unwrap();
    mac.receive(ADA, "no one is meant");
    mac.run_relay();
    mac.messages.edit(row, "never mind", mac.now()).unwrap();
    mac.run_relay();
    let mentions: Vec<_> = mac.posted().into_iter().map(|m| m.mentions).collect();
    let both = vec![BOB.to_owned(), "ada@example.com".to_owned()];
    assert_eq!(mentions, [both, vec![], vec![]]);
}

#[test]
fn the_name_of_a_group_is_posted_and_a_direct_chat_has_no_name() {
    let mut mac = Mac::new();
    let long = "x".repeat(400);
    for (chat, expected) in [
        (Chat::group([ADA, BOB]).named("Trip"), Some("Trip")),
        (Chat::group([ADA, BOB]).named(" "), None),
        (Chat::group([ADA, BOB]), None),
        (Chat::group([ADA, BOB]).named(&*long), Some(&long[..255])),
        (Chat::direct(ADA).named("Ada"), None),
    ] {
        let chat = mac.messages.insert_chat(&chat).unwrap();
        let ada = mac.messages.ensure_handle(ADA, "iMessage").unwrap();
        let message = NewMessage::incoming(ada, mac.now()).text("hi");
        mac.messages.deliver(chat, &message).unwrap();
        mac.run_relay();
        let posted = mac.posted().pop().unwrap();
        assert_eq!(posted.group_name.as_deref(), expected);
    }
}

#[test]
fn a_reply_has_its_part_if_the_column_is_well_formed() {
    for (originator, part) in [
        ("0:0:12", Some(0)),
        ("3:17:2", Some(3)),
        ("-1:0:5", Some(-1)),
        ("18446744073709551615:0:5", Some(-1)),
        ("18446744073709551614:0:5", None),
        ("-2:0:5", None),
        ("99999999999999999999:0:5", None),
        ("1", None),
        ("1:0", None),
        ("1:0:5:7", None),
        ("1:x:5", None),
        (":0:5", None),
        ("", None),
        ("part", None),
    ] {
        let mut mac = Mac::new();
        let (chat, ada) = mac.direct_chat(ADA);
        let message = NewMessage::incoming(ada, mac.now())
            .text("yes")
            .reply_to("AAAA")
            .set("thread_originator_part", originator.to_owned());
        mac.messages.deliver(chat, &message).unwrap();
        let message = NewMessage::incoming(ada, mac.now())
            .text("no reply")
            .set("thread_originator_part", originator.to_owned());
        mac.messages.deliver(chat, &message).unwrap();
        mac.run_relay();
        let posts: Vec<_> = mac
            .posted()
            .into_iter()
            .map(|m| (m.reply_to_guid, m.reply_to_part))
            .collect();
        assert_eq!(
            posts,
            [(Some("AAAA".to_owned()), part), (None, None)],
            "{originator}"
        );
    }
}
