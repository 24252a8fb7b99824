//! The post that each kind of row becomes.

use messages_stand_in::{ChatKind, Filter, Tapback, TapbackChange};
use shared_protocol::{Mode, TapbackAction, TapbackKind};

use super::*;
use crate::state::seen::RowOutcome;

const STYLES: [Style; 5] = [
    Style::Monterey,
    Style::Ventura,
    Style::Sequoia,
    Style::Tahoe,
    Style::Macos27,
];

#[test]
fn a_text_is_posted_with_its_sender_and_line_in_every_style_of_chat_db() {
    for style in STYLES {
        let mut mac = Mac::before_first_run(style);
        mac.run_relay();
        mac.receive(ADA, "hello sage!");
        mac.run_relay();
        let posted = mac.posted();
        assert_eq!(posted.len(), 1, "{style:?}");
        let message = &posted[0];
        assert_eq!(message.text, "hello sage!", "{style:?}");
        assert_eq!((message.mode, message.sender.as_str()), (Mode::Direct, ADA));
        assert_eq!(message.participants, [ADA]);
        assert_eq!(message.line.as_deref(), Some(OWN));
        assert_eq!(message.timestamp.as_micros(), mac.clock.now().as_micros());
    }
}

#[test]
fn a_group_is_recognised_by_its_style_alone() {
    let mut mac = Mac::new();
    let direct = mac
        .messages
        .insert_chat(&Chat::direct("chat.lover@example.com"))
        .unwrap();
    let handle = mac
        .messages
        .ensure_handle("chat.lover@example.com", "iMessage")
        .unwrap();
    let group = Chat {
        identifier: Some("0123456789abcdef0123456789abcdef".to_owned()),
        ..Chat::group([ADA, BOB])
    };
    assert_eq!(group.kind, ChatKind::Group);
    let group = mac.messages.insert_chat(&group).unwrap();
    let ada = mac.messages.ensure_handle(ADA, "iMessage").unwrap();
    let now = mac.now();
    mac.messages
        .deliver(direct, &NewMessage::incoming(handle, now).text("only you"))
        .unwrap();
    mac.messages
        .deliver(group, &NewMessage::incoming(ada, now).text("all of you"))
        .unwrap();
    mac.run_relay();
    let modes: Vec<_> = mac.posted().iter().map(|message| message.mode).collect();
    assert_eq!(modes, [Mode::Direct, Mode::Group]);
    assert_eq!(mac.posted()[1].participants, [ADA, BOB]);
}

#[test]
fn a_tapback_row_is_posted_as_a_tapback_with_its_target_and_without_text() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let row = mac.receive(ADA, "hi");
    let guid = mac.messages.guid_of(row).unwrap();
    let now = mac.now();
    for (tapback, change) in [
        (Tapback::Love, TapbackChange::Add),
        (Tapback::Love, TapbackChange::Remove),
        (Tapback::Sticker, TapbackChange::Remove),
    ] {
        let message = NewMessage::incoming(ada, now).tapback(tapback, change, (0, &guid), "hi");
        mac.messages.deliver(chat, &message).unwrap();
    }
    mac.run_relay();
    let tapbacks: Vec<_> = mac
        .posted()
        .into_iter()
        .filter_map(|message| message.tapback)
        .collect();
    assert_eq!(
        tapbacks
            .iter()
            .map(|t| (t.action, t.kind))
            .collect::<Vec<_>>(),
        [
            (TapbackAction::Added, TapbackKind::Love),
            (TapbackAction::Removed, TapbackKind::Love),
            (TapbackAction::Removed, TapbackKind::Sticker)
        ]
    );
    assert!(
        tapbacks
            .iter()
            .all(|t| t.target_guid.as_ref() == Some(&guid) && t.target_part == Some(0))
    );
    assert_eq!(mac.texts(), ["hi", "", "", ""]);
}

#[test]
fn messages_of_filtered_chats_are_posted_only_with_relay_spam() {
    for (options, expected) in [
        (Options::default(), 1),
        (
            Options {
                relay_spam: true,
                ..Options::default()
            },
            3,
        ),
    ] {
        let mut mac = Mac::new();
        mac.start(FirstRun::Now, options);
        for filter in [Filter::UNKNOWN_SENDER, Filter::SPAM, Filter(36)] {
            let address = format!("5550{}", filter.0);
            let chat = Chat {
                filter,
                ..Chat::direct(address.clone())
            };
            let chat = mac.messages.insert_chat(&chat).unwrap();
            let handle = mac.messages.ensure_handle(&address, "SMS").unwrap();
            let now = mac.now();
            mac.messages
                .deliver(
                    chat,
                    &NewMessage::incoming(handle, now).text("buy").on("SMS"),
                )
                .unwrap();
        }
        mac.run_relay();
        assert_eq!(mac.posted().len(), expected);
    }
}

#[test]
fn a_note_to_self_is_posted_only_with_relay_note_to_self() {
    let mut mac = Mac::new();
    let (own, _) = mac.direct_chat(OWN);
    let (peer, _) = mac.direct_chat(ADA);
    let now = mac.now();
    let note = mac
        .messages
        .deliver(own, &NewMessage::outgoing(now).text("milk"))
        .unwrap();
    mac.messages
        .deliver(peer, &NewMessage::outgoing(now).text("on my way"))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.outcome(note), Some(RowOutcome::NoteToSelf));
    assert_eq!(mac.texts(), ["on my way"]);
    let mut mac = Mac::new();
    mac.start(
        FirstRun::Now,
        Options {
            relay_note_to_self: true,
            ..Options::default()
        },
    );
    let (own, _) = mac.direct_chat(OWN);
    let now = mac.now();
    mac.messages
        .deliver(own, &NewMessage::outgoing(now).text("milk"))
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["milk"]);
}

#[test]
fn group_changes_calls_and_balloons_are_posted_with_a_description() {
    let mut mac = Mac::new();
    let group = mac.messages.insert_chat(&Chat::group([ADA, BOB])).unwrap();
    let (ada, bob) = (
        mac.messages.ensure_handle(ADA, "iMessage").unwrap(),
        mac.messages.ensure_handle(BOB, "iMessage").unwrap(),
    );
    let now = mac.now();
    let row = || NewMessage::incoming(ada, now);
    // `expected` says what these codes of Messages mean, in the same order.
    for message in [
        row().set("item_type", 1).set("other_handle", bob),
        row()
            .set("item_type", 1)
            .set("group_action_type", 1)
            .set("other_handle", bob),
        row()
            .set("item_type", 2)
            .set("group_title", "Trip".to_owned()),
        row().set("item_type", 3),
        row().set("item_type", 4),
        row().set("item_type", 6),
        row().set("balloon_bundle_id", "com.apple.messages.Polls".to_owned()),
        row()
            .set("associated_message_type", 4000)
            .set("associated_message_guid", "AAAA".to_owned()),
    ] {
        mac.messages.deliver(group, &message).unwrap();
    }
    mac.run_relay();
    let posts: Vec<_> = mac
        .posted()
        .into_iter()
        .map(|m| (m.event, m.text))
        .collect();
    let expected = [
        (Event::GroupChange, "added +15550100002 to the group"),
        (Event::GroupChange, "removed +15550100002 from the group"),
        (Event::GroupChange, "named the group \u{201c}Trip\u{201d}"),
        (Event::GroupChange, "left the group"),
        (Event::Other, "started sharing location"),
        (Event::Other, "a FaceTime or SharePlay call"),
        (Event::Other, "a poll"),
        (Event::Other, "voted in a poll"),
    ];
    assert_eq!(
        posts,
        expected.map(|(event, text)| (event, text.to_owned()))
    );
}

#[test]
fn a_message_in_recently_deleted_is_posted() {
    let mut mac = Mac::new();
    let row = mac.receive(ADA, "soon deleted");
    mac.messages
        .move_to_recently_deleted(row, mac.now())
        .unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["soon deleted"]);
}

#[test]
fn a_post_has_the_reply_target_effect_and_service_of_its_row() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let message = NewMessage::incoming(ada, now)
        .text("yes")
        .reply_to("AAAA-BBBB")
        .set("reply_to_guid", "NOT-A-REPLY".to_owned())
        .set(
            "expressive_send_style_id",
            "com.apple.MobileSMS.expressivesend.impact".to_owned(),
        )
        .on("RCS");
    mac.messages.deliver(chat, &message).unwrap();
    mac.run_relay();
    let message = &mac.posted()[0];
    assert_eq!(message.reply_to_guid.as_deref(), Some("AAAA-BBBB"));
    assert_eq!(
        message.effect.as_deref(),
        Some("com.apple.MobileSMS.expressivesend.impact")
    );
    assert_eq!(message.service.as_deref(), Some("RCS"));
}

#[test]
fn a_very_long_text_is_clipped_and_marked_as_truncated() {
    let mut mac = Mac::new();
    mac.receive(ADA, &"é".repeat(60_000));
    mac.run_relay();
    let message = &mac.posted()[0];
    assert_eq!(message.text.chars().count(), 50_000);
    assert!(message.truncated);
}
