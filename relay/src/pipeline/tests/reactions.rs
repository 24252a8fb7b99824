//! Reactions: those that have a row of their own kind (native tapbacks), and those that come as texts, over
//! SMS and RCS above all.

use messages_stand_in::{Attachment, Body, MessageGuids, RichLink};
use shared_protocol::{Tapback, TapbackAction, TapbackKind};

use super::*;

const TEXT: &str = "See you tonight at eight";

impl Mac {
    /// A text from Ada over `service`.
    fn receive_over(&mut self, service: &str, text: &str) -> i64 {
        let (chat, ada) = self.direct_chat(ADA);
        let now = self.now();
        let row = NewMessage::incoming(ada, now).text(text).on(service);
        self.messages.deliver(chat, &row).unwrap()
    }

    /// Delivers a text of the owner in Ada's chat; returns its guid.
    fn send_text_of_owner(&mut self, text: &str) -> String {
        let (chat, _) = self.direct_chat(ADA);
        let now = self.now();
        let row = NewMessage::outgoing(now).text(text).on("SMS");
        let row = self.messages.deliver(chat, &row).unwrap();
        self.messages.guid_of(row).unwrap()
    }

    fn last_tapback(&self) -> Tapback {
        let message = self.posted().pop().unwrap();
        assert_eq!((message.event, message.revision), (Event::Tapback, 1));
        assert_eq!(message.text, "");
        message.tapback.unwrap()
    }
}

fn tapback(action: TapbackAction, kind: TapbackKind, target: Option<&str>) -> Tapback {
    Tapback {
        action,
        kind,
        emoji: None,
        target_guid: target.map(str::to_owned),
        target_part: None,
    }
}

#[test]
fn a_reaction_text_over_sms_is_posted_as_a_tapback_on_the_quoted_message() {
    use TapbackAction::{Added, Removed};
    for service in ["SMS", "RCS", "sms"] {
        let mut mac = Mac::new();
        let target = mac.send_text_of_owner(TEXT);
        mac.send_text_of_owner("and bring the cake");
        mac.run_relay();
        for (words, action, kind) in [
            ("Liked", Added, TapbackKind::Like),
            ("Removed a like from", Removed, TapbackKind::Like),
            ("Le encantó", Added, TapbackKind::Love),
            ("Laughed at", Added, TapbackKind::Laugh),
            ("Líkaði við", Added, TapbackKind::Like),
        ] {
            mac.receive_over(service, &format!("{words} “{TEXT}”"));
            mac.run_relay();
            mac.run_relay();
            let expected = tapback(action, kind, Some(&target));
            assert_eq!(mac.last_tapback(), expected, "{words} over {service}");
        }
        assert_eq!(mac.posted().len(), 7);
    }
}

#[test]
fn a_reaction_to_an_absent_message_has_no_target_and_no_text() {
    let mut mac = Mac::new();
    mac.send_text_of_owner(TEXT);
    for text in [
        "Questioned “a text that this Mac never had”",
        "\u{200b}👍\u{200b} to “\u{200a}gone\u{200a}”",
        "Gefällt „nicht da“",
        "Loved an image",
        "Loved “\u{fffc}”",
    ] {
        mac.receive_over("RCS", text);
        mac.run_relay();
        assert_eq!(mac.last_tapback().target_guid, None, "{text}");
    }
}

#[test]
fn a_text_with_a_quotation_but_no_reaction_words_is_a_message() {
    let mut mac = Mac::new();
    mac.send_text_of_owner(TEXT);
    let texts = [
        "she said “See you tonight at eight” and left",
        "lol “See you tonight at eight” haha",
        "“See you tonight at eight”",
        "the film is called “Dune”",
        "Liked the film, loved the music",
        "Liked \"Dune\"",
        "Liked “Dune” a lot",
    ];
    for text in texts {
        mac.receive_over("SMS", text);
    }
    mac.run_relay();
    assert_eq!(mac.texts()[1..], texts);
    assert!(mac.posted().iter().all(|m| m.event == Event::Message));
}

#[test]
fn a_reaction_text_over_imessage_needs_reaction_words_and_a_quoted_message() {
    let mut mac = Mac::new();
    let target = mac.send_text_of_owner(TEXT);
    mac.receive_over("iMessage", &format!("Loved “{TEXT}”"));
    mac.run_relay();
    let expected = tapback(TapbackAction::Added, TapbackKind::Love, Some(&target));
    assert_eq!(mac.last_tapback(), expected);
    let texts = [
        "Loved “Dune”".to_owned(),
        format!("Líkaði við “{TEXT}”"),
        "Loved an image".to_owned(),
        format!("Loved \"{TEXT}\""),
    ];
    for text in &texts {
        mac.receive_over("iMessage", text);
        mac.run_relay();
        mac.advance(secs(2));
        mac.run_relay();
    }
    assert_eq!(mac.texts()[2..], texts);
}

#[test]
fn a_reaction_to_a_photo_has_the_newest_photo_as_its_target() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    let mut photos = Vec::new();
    for name in ["one.jpeg", "two.jpeg"] {
        let now = mac.now();
        let row = mac
            .messages
            .deliver(chat, &NewMessage::outgoing(now).text("\u{fffc}"))
            .unwrap();
        mac.messages
            .attach(row, &Attachment::photo(name, 10), now)
            .unwrap();
        photos.push(mac.messages.guid_of(row).unwrap());
    }
    let now = mac.now();
    let voice = mac
        .messages
        .deliver(chat, &NewMessage::outgoing(now).text("\u{fffc}"))
        .unwrap();
    mac.messages
        .attach(voice, &Attachment::voice(10), now)
        .unwrap();
    let voice = mac.messages.guid_of(voice).unwrap();
    for (text, target) in [
        ("Loved an image", Some(&photos[1])),
        ("Reacted 🎉 to an image", Some(&photos[1])),
        ("Liked an audio message", Some(&voice)),
        ("Liked an attachment", Some(&voice)),
        ("Liked a movie", None),
    ] {
        mac.receive_over("SMS", text);
        mac.run_relay();
        assert_eq!(mac.last_tapback().target_guid.as_ref(), target, "{text}");
    }
}

#[test]
fn a_reaction_that_quotes_an_address_has_the_link_row_as_its_target() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    let now = mac.now();
    let link = RichLink::new("https://example.com/a").titled("A page");
    let link = NewMessage::outgoing(now).link(&link);
    let link = mac.messages.deliver(chat, &link).unwrap();
    mac.receive_over("SMS", "Loved “https://example.com/a”");
    mac.run_relay();
    let target = mac.messages.guid_of(link).unwrap();
    assert_eq!(mac.last_tapback().target_guid, Some(target));
}

#[test]
fn reaction_texts_of_the_owner_and_in_a_group_are_tapbacks() {
    let mut mac = Mac::new();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let (ada, bob) = (
        mac.messages.ensure_handle(ADA, "SMS").unwrap(),
        mac.messages.ensure_handle(BOB, "SMS").unwrap(),
    );
    let now = mac.now();
    let cake = NewMessage::incoming(ada, now)
        .text("who brings the cake?")
        .on("SMS");
    let cake = mac.messages.deliver(group, &cake).unwrap();
    let cake = mac.messages.guid_of(cake).unwrap();
    for row in [NewMessage::incoming(bob, now), NewMessage::outgoing(now)] {
        let row = row.text("Emphasized “who brings the cake?”").on("SMS");
        mac.messages.deliver(group, &row).unwrap();
        mac.run_relay();
        let expected = tapback(TapbackAction::Added, TapbackKind::Emphasize, Some(&cake));
        assert_eq!(mac.last_tapback(), expected);
    }
    assert!(mac.posted()[2].from_owner);
}

#[test]
fn a_reaction_has_the_newest_of_equal_texts_as_its_target_within_the_search_bounds() {
    let mut mac = Mac::new();
    mac.send_text_of_owner(TEXT);
    let target = mac.send_text_of_owner(TEXT);
    for n in 0..450 {
        mac.receive(ADA, &format!("message {n}"));
    }
    mac.receive_over("SMS", &format!("Liked “{TEXT}”"));
    mac.run_relay();
    assert_eq!(mac.last_tapback().target_guid, Some(target));
    for n in 0..100 {
        mac.receive(ADA, &format!("more {n}"));
    }
    mac.receive_over("SMS", &format!("Liked “{TEXT}”"));
    mac.run_relay();
    assert_eq!(mac.last_tapback().target_guid, None);
}

#[test]
fn a_reaction_finds_its_target_in_a_chat_of_another_service() {
    let mut mac = Mac::new();
    let (_, ada) = mac.direct_chat(ADA);
    let target = mac.send_text_of_owner(TEXT);
    let other = Chat::direct(ADA)
        .on("SMS")
        .with_guid(format!("SMS;-;{ADA}"));
    let other = mac.messages.insert_chat(&other).unwrap();
    let now = mac.now();
    let row = NewMessage::incoming(ada, now)
        .text(format!("Liked “{TEXT}”"))
        .on("SMS");
    mac.messages.deliver(other, &row).unwrap();
    mac.run_relay();
    assert_eq!(mac.last_tapback().target_guid, Some(target));
}

#[test]
fn a_reaction_finds_its_target_in_an_earlier_chat_of_the_group() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let group = Chat::group([ADA, BOB]);
    let old = mac.messages.insert_chat(&group).unwrap();
    let moved = Chat {
        identifier: Some("chat990000000000000002".to_owned()),
        ..Chat::group([ADA, BOB]).on("RCS")
    };
    let moved = mac.messages.insert_chat(&moved).unwrap();
    for identifier in ["chat990000000000000001", "chat990000000000000002"] {
        mac.messages
            .assign_identifier(moved, identifier, "RCS")
            .unwrap();
    }
    mac.messages
        .set_chat_column(old, "chat_identifier", "chat990000000000000001")
        .unwrap();
    let ada = mac.messages.ensure_handle(ADA, "SMS").unwrap();
    let now = mac.now();
    let cake = NewMessage::incoming(ada, now).text("cake?").on("SMS");
    let cake = mac.messages.deliver(old, &cake).unwrap();
    let own = NewMessage::outgoing(now).text("Liked “cake?”").on("RCS");
    mac.messages.deliver(moved, &own).unwrap();
    mac.run_relay();
    let target = mac.messages.guid_of(cake).unwrap();
    assert_eq!(mac.last_tapback().target_guid, Some(target));
}

#[test]
fn a_reaction_with_a_late_text_is_a_tapback_and_not_an_edit() {
    let mut mac = Mac::new();
    let target = mac.send_text_of_owner(TEXT);
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let row = mac
        .messages
        .deliver(chat, &NewMessage::incoming(ada, now).on("SMS"))
        .unwrap();
    mac.run_relay();
    mac.advance(secs(3));
    mac.run_relay();
    mac.messages
        .set_body(row, &Body::Usual(format!("Liked “{TEXT}”")))
        .unwrap();
    mac.run_relay();
    mac.run_relay();
    let expected = [(Event::Message, 0), (Event::Other, 1), (Event::Tapback, 1)];
    assert_eq!(mac.events(), expected);
    assert_eq!(mac.last_tapback().target_guid, Some(target));
}

#[test]
fn a_posted_reaction_is_not_posted_again() {
    let mut mac = Mac::new();
    let message = mac.receive(ADA, TEXT);
    let (chat, _) = mac.direct_chat(ADA);
    let now = mac.now();
    let own = NewMessage::outgoing(now)
        .text(format!("Liked “{TEXT}”"))
        .on("SMS");
    let own = mac.messages.deliver(chat, &own).unwrap();
    mac.run_relay();
    // The quoted text was deleted, and the row changes.
    mac.messages.delete_message(message).unwrap();
    mac.messages.set_column(own, "date_edited", 1).unwrap();
    mac.run_relay();
    mac.advance(secs(60));
    mac.messages.rebuild(50, MessageGuids::Renewed).unwrap();
    mac.run_relay();
    assert_eq!(mac.events(), [(Event::Message, 0), (Event::Tapback, 1)]);
}

#[test]
fn a_native_tapback_without_a_target_or_of_an_unknown_type_never_posts_its_quoted_text() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let rows = |code: i64, guid: Option<&str>| {
        let row = NewMessage::incoming(ada, now)
            .text("Loved “a secret”")
            .set("associated_message_type", code);
        match guid {
            Some(guid) => row.set("associated_message_guid", guid.to_owned()),
            None => row,
        }
    };
    // Types of tapbacks that the relay knows.
    for code in [2000, 3003, 2006] {
        for guid in [None, Some(""), Some("p:0/"), Some("p:0"), Some("bp:")] {
            mac.messages.deliver(chat, &rows(code, guid)).unwrap();
            mac.run_relay();
            assert_eq!(mac.last_tapback().target_guid, None, "{code} {guid:?}");
        }
    }
    // Types of other rows, and types that the relay does not know.
    for code in [1000, 2042, 3999, 4001, 5000] {
        mac.messages
            .deliver(chat, &rows(code, Some("p:0/AAAA")))
            .unwrap();
        mac.run_relay();
        let other = mac.posted().pop().unwrap();
        assert_eq!(other.event, Event::Other, "{code}");
        assert!(!other.text.contains("secret"), "{code}");
        assert_eq!(other.reply_to_guid.as_deref(), Some("AAAA"));
    }
}
