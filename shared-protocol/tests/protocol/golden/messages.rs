//! The bodies that the relay posts: all events, and each optional field at least once.

use shared_protocol::{
    Attachment, AttachmentState, Edit, Event, Message, MessageTime, Mode, ReplyVia, Tapback,
    TapbackAction, TapbackKind,
};

use super::assert_golden;

fn assert_golden_message(name: &str, message: &Message) {
    assert_eq!(message.violations(), [], "{name}");
    assert_golden(name, message);
}

/// A message with the fields that the relay always sets.
fn direct(text: &str) -> Message {
    Message {
        message_guid: Some("0A0A0A0A-0000-4000-8000-000000000001".to_owned()),
        line: Some("+15550100000".to_owned()),
        service: Some("iMessage".to_owned()),
        relay_id: Some("default".to_owned()),
        reply_via: Some(ReplyVia::Commands),
        ..Message::new(
            "iMessage;-;+15550100001",
            Mode::Direct,
            "+15550100001",
            text,
            MessageTime::from_micros(1_699_123_456_123_457),
            vec!["+15550100001".to_owned()],
        )
    }
}

fn heic(state: AttachmentState) -> Attachment {
    Attachment {
        guid: "at_0_0A0A0A0A-0000-4000-8000-000000000002".to_owned(),
        mime_type: Some("image/heic".to_owned()),
        name: Some("IMG_0001.HEIC".to_owned()),
        size_bytes: Some(1_234_567),
        part: None,
        description: None,
        transcript: None,
        is_sticker: false,
        state,
    }
}

fn tapback(action: TapbackAction, kind: TapbackKind, emoji: Option<&str>) -> Message {
    Message {
        event: Event::Tapback,
        revision: 1,
        tapback: Some(Tapback {
            action,
            kind,
            emoji: emoji.map(str::to_owned),
            target_guid: Some("0A0A0A0A-0000-4000-8000-000000000009".to_owned()),
            target_part: Some(0),
        }),
        ..direct("")
    }
}

#[test]
fn the_json_of_messages_is_stable() {
    assert_golden_message(
        "message_six_fields",
        &Message::new(
            "test-123",
            Mode::Direct,
            "+15551234567",
            "hello sage!",
            MessageTime::from_secs(1_699_123_456),
            vec!["+15551234567".to_owned()],
        ),
    );
    assert_golden_message("message_direct", &direct("see you at eight 👋"));
    assert_golden_message(
        "message_group_reply_with_effect",
        &Message {
            mode: Mode::Group,
            reply_to_guid: Some("0A0A0A0A-0000-4000-8000-000000000009".to_owned()),
            effect: Some("com.apple.messages.effect.CKConfettiEffect".to_owned()),
            participants: vec!["+15550100001".to_owned(), "guest@example.com".to_owned()],
            chat_guid: "iMessage;+;chat100000000000000001".to_owned(),
            ..direct("yes!")
        },
    );
    assert_golden_message(
        "message_attachment_only",
        &Message {
            attachments: vec![heic(AttachmentState::Transferring)],
            ..direct("")
        },
    );
}

#[test]
fn the_json_of_optional_fields_is_stable() {
    assert_golden_message(
        "message_voice_with_transcript",
        &Message {
            attachments: vec![Attachment {
                guid: "at_0_0A0A0A0A-0000-4000-8000-000000000003".to_owned(),
                mime_type: Some("audio/x-caf".to_owned()),
                name: Some("Audio Message.caf".to_owned()),
                part: Some(0),
                transcript: Some("see you at eight".to_owned()),
                ..heic(AttachmentState::Finished)
            }],
            ..direct("")
        },
    );
    assert_golden_message(
        "message_genmoji",
        &Message {
            attachments: vec![Attachment {
                part: Some(1),
                description: Some("a cat that plays the piano".to_owned()),
                ..heic(AttachmentState::Finished)
            }],
            ..direct("look: ")
        },
    );
    assert_golden_message(
        "message_group_mention_of_a_part",
        &Message {
            mode: Mode::Group,
            chat_guid: "any;+;chat100000000000000001".to_owned(),
            group_name: Some("Trip".to_owned()),
            mentions: vec!["+15550100000".to_owned(), "guest@example.com".to_owned()],
            reply_to_guid: Some("0A0A0A0A-0000-4000-8000-000000000009".to_owned()),
            reply_to_part: Some(2),
            ..direct("@sage @guest what about this one?")
        },
    );
    assert_golden_message(
        "message_link_of_a_text",
        &Message {
            link_of_guid: Some("0A0A0A0A-0000-4000-8000-000000000009".to_owned()),
            ..direct("https://example.com/article")
        },
    );
}

#[test]
fn the_json_of_messages_of_other_origins_is_stable() {
    assert_golden_message(
        "message_of_a_rehearsal",
        &Message {
            rehearsal: true,
            ..direct("played, not said")
        },
    );
    assert_golden_message(
        "message_of_the_owner",
        &Message {
            from_owner: true,
            ..direct("typed on the Mac")
        },
    );
    assert_golden_message(
        "message_backfill_truncated",
        &Message {
            is_backfill: true,
            truncated: true,
            ..direct("an old, long one")
        },
    );
    assert_golden_message(
        "message_of_the_predecessor",
        &Message {
            persona_id: Some("sage".to_owned()),
            message_guid: None,
            line: None,
            service: None,
            relay_id: None,
            reply_via: None,
            ..direct("hello")
        },
    );
}

#[test]
fn the_json_of_events_is_stable() {
    assert_golden_message(
        "event_edit",
        &Message {
            event: Event::Edit,
            revision: 2,
            edit: Some(Edit {
                edited_at: Some(MessageTime::from_secs(1_699_123_500)),
                history_length: 2,
                ..Edit::default()
            }),
            ..direct("see you at nine")
        },
    );
    assert_golden_message(
        "event_late_text",
        &Message {
            event: Event::Edit,
            edit: Some(Edit::default()),
            ..direct("this came late")
        },
    );
    assert_golden_message(
        "event_unsend",
        &Message {
            event: Event::Unsend,
            revision: 1,
            edit: Some(Edit {
                edited_at: Some(MessageTime::from_secs(1_699_123_500)),
                unsent_parts: vec![0, 2],
                fully_unsent: true,
                ..Edit::default()
            }),
            ..direct("")
        },
    );
    let emoji = tapback(TapbackAction::Added, TapbackKind::Emoji, Some("🫡"));
    assert_golden_message("event_tapback_added", &emoji);
    let love = tapback(TapbackAction::Removed, TapbackKind::Love, None);
    assert_golden_message("event_tapback_removed", &love);
    let mut without_target = tapback(TapbackAction::Added, TapbackKind::Like, None);
    without_target
        .tapback
        .as_mut()
        .expect("a tapback")
        .target_guid = None;
    assert_golden_message("event_tapback_without_target", &without_target);
    assert_golden_message(
        "event_attachment_update",
        &Message {
            event: Event::AttachmentUpdate,
            revision: 1,
            attachments: vec![heic(AttachmentState::Finished)],
            ..direct("")
        },
    );
    assert_golden_message(
        "event_group_change",
        &Message {
            event: Event::GroupChange,
            mode: Mode::Group,
            revision: 1,
            ..direct("+15550100002 joined")
        },
    );
    assert_golden_message(
        "event_other",
        &Message {
            event: Event::Other,
            ..direct("shared a location")
        },
    );
}
