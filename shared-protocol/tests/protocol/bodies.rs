//! Bodies of message requests: which are accepted, and how others are refused.

use serde_json::{Value, json};
use shared_protocol::{
    AttachmentState, Event, InvalidMessage, MAX_TEXT_CHARS, Message, MessageTime, Mode, Violation,
};

/// The body of the curl command in the README.
fn curl_body() -> Value {
    json!({
        "chat_guid": "test-123",
        "mode": "direct",
        "sender": "+15551234567",
        "text": "hello sage!",
        "timestamp": 1_699_123_456,
        "participants": ["+15551234567"]
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut body = curl_body();
    body[field] = value;
    body
}

fn parse(body: &Value) -> Result<Message, InvalidMessage> {
    Message::from_json(body.to_string().as_bytes())
}

#[track_caller]
fn violations(body: &Value) -> Vec<Violation> {
    match parse(body) {
        Err(InvalidMessage::Fields(found)) => found,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn violated_fields(body: &Value) -> Vec<String> {
    violations(body)
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[track_caller]
fn json_fault(body: &[u8]) -> String {
    match Message::from_json(body) {
        Err(InvalidMessage::Json(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_six_fields_of_the_curl_command_are_enough() {
    let expected = Message::new(
        "test-123",
        Mode::Direct,
        "+15551234567",
        "hello sage!",
        MessageTime::from_secs(1_699_123_456),
        vec!["+15551234567".to_owned()],
    );
    assert_eq!(parse(&curl_body()), Ok(expected));
}

#[test]
fn unknown_fields_are_ignored() {
    let mut body = curl_body();
    for (name, value) in [
        ("from_the_future", json!({"nested": [1, 2, {"deep": null}]})),
        ("guid", json!(7)),
        ("", json!("an empty name")),
    ] {
        body[name] = value;
    }
    assert_eq!(parse(&body), parse(&curl_body()));
}

#[test]
fn null_in_an_optional_field_means_absent() {
    let mut body = curl_body();
    for field in [
        "message_guid",
        "event",
        "revision",
        "from_owner",
        "line",
        "service",
        "is_backfill",
        "answered",
        "automatic",
        "reply_to_guid",
        "reply_to_part",
        "link_of_guid",
        "mentions",
        "group_name",
        "rehearsal",
        "tapback",
        "edit",
        "attachments",
        "effect",
        "truncated",
        "persona_id",
        "persona_phone",
        "relay_id",
        "reply_via",
    ] {
        body[field] = Value::Null;
    }
    assert_eq!(parse(&body), parse(&curl_body()));

    let nested = with(
        "attachments",
        json!([{"guid": "at_0_EXAMPLE", "mime_type": null, "name": null, "size_bytes": null,
                "is_sticker": null, "state": null}]),
    );
    let message = parse(&nested).expect("a valid message");
    assert_eq!(message.attachments[0].state, AttachmentState::Waiting);
    let edit = json!({"edited_at": null, "history_length": null, "unsent_parts": null,
                      "fully_unsent": null});
    assert_eq!(
        parse(&with("edit", edit)).expect("a valid message").edit,
        Some(shared_protocol::Edit::default())
    );
}

#[test]
fn null_in_a_required_field_is_a_violation() {
    for field in [
        "chat_guid",
        "mode",
        "sender",
        "text",
        "timestamp",
        "participants",
    ] {
        assert_eq!(violated_fields(&with(field, Value::Null)), [field]);
    }
}

#[test]
fn every_offending_field_is_listed() {
    let all_wrong = json!({
        "chat_guid": 1, "mode": "both", "sender": [], "text": {}, "timestamp": "now",
        "participants": "+15550100001", "message_guid": 1, "event": "greeting", "revision": -1,
        "from_owner": "yes", "line": 1, "service": 1, "is_backfill": 0, "reply_to_guid": 1,
        "answered": "no", "automatic": 2,
        "reply_to_part": "x", "link_of_guid": 1, "mentions": 1, "group_name": 1, "rehearsal": 1,
        "tapback": {"action": "added"}, "edit": 1, "attachments": [{}], "effect": 1,
        "truncated": 1, "persona_id": 1, "persona_phone": 1, "relay_id": 1, "reply_via": "post"
    });
    let mut found = violated_fields(&all_wrong);
    found.sort();
    let mut all: Vec<_> = all_wrong
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    all.sort();
    assert_eq!(found, all);

    assert_eq!(
        violated_fields(&json!({})),
        [
            "chat_guid",
            "mode",
            "sender",
            "text",
            "timestamp",
            "participants"
        ]
    );
    // Wrong types and missing fields are in one list.
    assert_eq!(
        violated_fields(&json!({"chat_guid": 1, "mode": "direct", "sender": "a", "text": "b"})),
        ["chat_guid", "timestamp", "participants"]
    );
}

#[test]
fn other_faults_are_listed_beside_a_wrong_type() {
    let mut body = curl_body();
    body["chat_guid"] = json!("");
    body["text"] = json!("");
    body["relay_id"] = json!("mini");
    body["line"] = json!("a\nb");
    body.as_object_mut().expect("an object").remove("mode");
    assert_eq!(
        violated_fields(&body),
        ["mode", "chat_guid", "text", "line"]
    );
    // With an event of the wrong type, the empty text is not reported: it may be valid.
    body["event"] = json!("greeting");
    assert_eq!(
        violated_fields(&body),
        ["event", "mode", "chat_guid", "line"]
    );
    // A required field that has a wrong type is listed once: for its type, and not also as missing.
    let tapback = json!({"event": "tapback", "tapback": {"action": 1}});
    let mut body = curl_body();
    let tapback = tapback.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(tapback);
    assert_eq!(violated_fields(&body), ["tapback"]);
}

#[test]
fn no_violation_repeats_the_value() {
    let body = with("mode", json!("a secret of the sender"));
    for violation in violations(&body) {
        assert!(!violation.message.contains("secret"), "{violation:?}");
    }
    let fault = json_fault(br#"{"text": "a secret of the sender" oops}"#);
    assert!(!fault.contains("secret"), "{fault}");
}

#[test]
fn limits_are_exact_to_the_character() {
    let fits = [
        ("chat_guid", json!("ü".repeat(512))),
        ("sender", json!("ü".repeat(320))),
        ("text", json!("👋".repeat(MAX_TEXT_CHARS))),
        ("participants", json!(vec!["a"; 512])),
        ("participants", json!(["a".repeat(320)])),
        ("participants", json!([])),
        ("timestamp", json!(0)),
        ("timestamp", json!(253_402_300_799_i64)),
        ("timestamp", json!(1_699_123_456.789)),
        ("revision", json!(2_147_483_647)),
        ("service", json!("s".repeat(255))),
        ("sender", json!("56249(smsfp)")),
        (
            "sender",
            json!("urn:biz:00000000-0000-0000-0000-000000000000"),
        ),
    ];
    for (field, value) in fits {
        assert!(parse(&with(field, value)).is_ok(), "{field}");
    }
    let breaks = [
        ("chat_guid", json!("")),
        ("chat_guid", json!("a".repeat(513))),
        ("sender", json!("")),
        ("sender", json!("a".repeat(321))),
        ("sender", json!("+1555\u{0}0100001")),
        ("sender", json!("a\nb")),
        ("line", json!("\u{7f}")),
        ("text", json!("")),
        ("text", json!("a".repeat(MAX_TEXT_CHARS + 1))),
        ("participants", json!(vec!["a"; 513])),
        ("timestamp", json!(-1)),
        ("timestamp", json!(1_699_123_456_000_i64)),
        ("revision", json!(2_147_483_648_u32)),
        ("message_guid", json!("")),
        ("relay_id", json!("r".repeat(256))),
    ];
    for (field, value) in breaks {
        let mut body = with(field, value);
        // Without a field of archety-relay, some faults would be corrected instead of refused.
        if field != "message_guid" {
            body["message_guid"] = json!("A");
        }
        assert_eq!(violated_fields(&body), [field]);
    }
    assert_eq!(
        violated_fields(&with("participants", json!(["a", "b".repeat(321)]))),
        ["participants[1]"]
    );
}

#[test]
fn an_empty_text_needs_an_attachment_or_an_event() {
    let mut body = with("text", json!(""));
    // Without a field of archety-relay, the empty message would become an event.
    body["message_guid"] = json!("A");
    assert_eq!(violated_fields(&body), ["text"]);
    body["attachments"] = json!([{"guid": "at_0_EXAMPLE"}]);
    assert!(parse(&body).is_ok());
    for event in Event::ALL {
        let mut body = with("text", json!(""));
        body["message_guid"] = json!("A");
        body["event"] = json!(event.as_str());
        body["tapback"] = json!({"action": "added", "kind": "love", "target_guid": "A"});
        assert_eq!(parse(&body).is_ok(), event != Event::Message, "{event:?}");
    }
}

#[test]
fn a_tapback_event_needs_its_tapback() {
    assert_eq!(
        violated_fields(&with("event", json!("tapback"))),
        ["tapback"]
    );
    let mut body = with("event", json!("tapback"));
    body["tapback"] = json!({"action": "added", "kind": "love", "target_guid": ""});
    assert_eq!(violated_fields(&body), ["tapback.target_guid"]);
}

#[test]
fn violations_of_attachments_have_their_index() {
    let mut many: Vec<_> = (0..101).map(|_| json!({"guid": "a"})).collect();
    assert_eq!(
        violated_fields(&with("attachments", json!(many))),
        ["attachments"]
    );
    many.truncate(3);
    many[1] = json!({"guid": ""});
    many[2] = json!({"guid": "a", "name": "n".repeat(256), "size_bytes": u64::MAX});
    assert_eq!(
        violated_fields(&with("attachments", json!(many))),
        [
            "attachments[1].guid",
            "attachments[2].name",
            "attachments[2].size_bytes"
        ]
    );
}

#[test]
fn a_body_that_is_not_json_is_refused_with_its_fault() {
    assert!(json_fault(b"").contains("not JSON"));
    assert!(json_fault(b"hello").contains("not JSON"));
    assert!(json_fault(b"{\"chat_guid\": \"cut").contains("not JSON"));
    assert!(json_fault(b"{} {}").contains("not JSON"));
    assert!(json_fault(b"{\"text\": \"\xff\xfe\"}").contains("not UTF-8"));
    for not_object in ["[]", "null", "7", "\"text\"", "[[[]]]"] {
        let fault = json_fault(not_object.as_bytes());
        assert!(fault.contains("not a JSON object"), "{not_object}: {fault}");
    }
}

#[test]
fn a_key_that_comes_twice_is_refused() {
    let twice = curl_body()
        .to_string()
        .replacen('{', r#"{"text":"first","#, 1);
    assert!(json_fault(twice.as_bytes()).contains("a key twice"));
    // With two values for one field, it is not known which one the caller means.
    let hidden = curl_body()
        .to_string()
        .replacen('{', r#"{"sender":"+15550100009","#, 1);
    assert!(json_fault(hidden.as_bytes()).contains("a key twice"));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth| {
        let open = "[".repeat(depth) + &"]".repeat(depth);
        curl_body()
            .to_string()
            .replacen('{', &format!(r#"{{"unknown":{open},"#), 1)
    };
    assert!(Message::from_json(nested(31).as_bytes()).is_ok());
    for depth in [32, 200, 100_000] {
        let fault = json_fault(nested(depth).as_bytes());
        assert!(fault.contains("nested more than 32 levels"), "{fault}");
    }
    // Brackets within a text do not count.
    for text in ["[".repeat(500), "\"[[[[\\".repeat(100), "{".repeat(500)] {
        assert!(parse(&with("text", json!(text))).is_ok(), "{text}");
    }
}

#[test]
fn half_a_surrogate_pair_is_refused() {
    // JavaScript sends this if it cuts an emoji in two. It is no valid text.
    let cut = curl_body().to_string().replace("hello sage!", "\\ud83d");
    assert!(json_fault(cut.as_bytes()).contains("not JSON"));
}
