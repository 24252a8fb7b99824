//! Golden bodies. Relays and backends of different versions meet on the wire: a change to one of
//! these snapshots is a change to the protocol.

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared_protocol::{
    Ack, AckState, Answer, AnswerStatus, Attachment, AttachmentState, Command, Edit, Event,
    Message, MessageTime, Mode, NewestMessage, Problem, ProblemCode, PullAnswer, PullRequest,
    RelayStatus, ReplyVia, SignatureReason, Tapback, TapbackAction, TapbackKind, Violation,
};

#[track_caller]
fn assert_golden<T>(name: &str, value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let json = serde_json::to_string_pretty(value).expect("plain data");
    let read: T = serde_json::from_str(&json).expect("its own form");
    assert_eq!(&read, value, "{name}");
    insta::assert_snapshot!(name, json);
}

fn assert_golden_message(name: &str, message: &Message) {
    assert_eq!(message.violations(), [], "{name}");
    assert_golden(name, message);
}

/// What the relay fills in for every message.
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
            target_guid: "0A0A0A0A-0000-4000-8000-000000000009".to_owned(),
            target_part: Some(0),
        }),
        ..direct("")
    }
}

#[test]
fn messages() {
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
fn events() {
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

#[test]
fn answers() {
    let accepted = Answer {
        status: AnswerStatus::Accepted,
        message_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        should_respond: true,
        reply_text: None,
        reply_bubbles: vec![],
        reflex_message: None,
        burst_messages: vec![],
        burst_delay_ms: None,
        version: "0.1.0".to_owned(),
        environment: "production".to_owned(),
    };
    assert_golden("answer_accepted", &accepted);
    assert_golden(
        "answer_duplicate_inline",
        &Answer {
            status: AnswerStatus::Duplicate,
            reply_text: Some("Hi! How are you?".to_owned()),
            reply_bubbles: vec!["Hi!".to_owned(), "How are you?".to_owned()],
            reflex_message: Some("Hi!".to_owned()),
            burst_messages: vec!["How are you?".to_owned()],
            burst_delay_ms: Some(1_500),
            ..accepted
        },
    );
}

#[test]
fn problems() {
    let refused = Problem {
        kind: "about:blank".to_owned(),
        title: "Unauthorized".to_owned(),
        status: 401,
        detail: "Invalid signature".to_owned(),
        code: ProblemCode::InvalidSignature,
        request_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        reason: Some(SignatureReason::StaleTimestamp),
        violations: vec![],
        message_id: None,
        retry_after: None,
        server_time: Some(1_700_000_000),
        version: None,
        environment: None,
    };
    assert_golden("problem_stale_timestamp", &refused);
    let signed = Problem {
        reason: None,
        server_time: None,
        version: Some("0.1.0".to_owned()),
        environment: Some("production".to_owned()),
        ..refused
    };
    assert_golden(
        "problem_invalid_fields",
        &Problem {
            title: "Unprocessable Content".to_owned(),
            status: 422,
            detail: "2 fields break a rule".to_owned(),
            code: ProblemCode::InvalidFields,
            violations: [
                ("mode", "must be \"direct\" or \"group\""),
                ("text", "is required"),
            ]
            .map(|(field, message)| Violation {
                field: field.to_owned(),
                message: message.to_owned(),
            })
            .to_vec(),
            ..signed.clone()
        },
    );
    assert_golden(
        "problem_id_conflict",
        &Problem {
            title: "Conflict".to_owned(),
            status: 409,
            detail: "This message is stored with other content".to_owned(),
            code: ProblemCode::IdConflict,
            message_id: Some("01890a5d-ac96-774b-bcce-b302099a8057".to_owned()),
            ..signed.clone()
        },
    );
    assert_golden(
        "problem_answer_pending",
        &Problem {
            title: "Service Unavailable".to_owned(),
            status: 503,
            detail: "The first request for this message is still being answered".to_owned(),
            code: ProblemCode::AnswerPending,
            retry_after: Some(1),
            ..signed
        },
    );
}

#[test]
fn codes_on_the_wire() {
    let codes: Vec<_> = ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    let reasons: Vec<_> = SignatureReason::ALL
        .iter()
        .map(|code| code.as_str())
        .collect();
    insta::assert_snapshot!("problem_codes", codes.join("\n"));
    insta::assert_snapshot!("signature_reasons", reasons.join("\n"));
}

#[test]
fn pulls() {
    assert_golden(
        "pull_request",
        &PullRequest {
            instance_id: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
            wait_seconds: 25,
            after_seq: 41,
            acks: vec![Ack {
                seq: 41,
                state: AckState::RowSeen,
                code: None,
            }],
            status: RelayStatus {
                version: "0.1.0".to_owned(),
                environment: Some("production".to_owned()),
                last_good_scan_at: Some(1_700_000_000),
                outbox_depth: 3,
                parked: 1,
                waiting: 2,
                quarantined: 0,
                doctor_codes: vec!["automation_denied".to_owned()],
                free_disk_bytes: Some(50_000_000_000),
                clock: 1_700_000_001,
            },
        },
    );
    let fields = serde_json::json!({"chat_guid": "iMessage;-;+15550100001", "bubbles": ["Hi!"]});
    assert_golden(
        "pull_answer",
        &PullAnswer {
            commands: vec![Command {
                seq: 42,
                kind: "send".to_owned(),
                fields: fields.as_object().expect("an object").clone(),
            }],
            server_time: 1_700_000_002,
            version: "0.1.0".to_owned(),
            environment: "production".to_owned(),
            newest_message: Some(NewestMessage {
                message_guid: "0A0A0A0A-0000-4000-8000-000000000001".to_owned(),
                timestamp: MessageTime::from_micros(1_699_123_456_500_000),
            }),
        },
    );
}

#[test]
fn a_pull_needs_an_instance_and_nothing_else() {
    let request: PullRequest = serde_json::from_str(r#"{"instance_id":"a"}"#).expect("enough");
    assert_eq!((request.wait_seconds, request.after_seq), (0, 0));
    assert_eq!(request.status, RelayStatus::default());
}
