//! The fields of a message beside its text: stored, shown, exported, and refused if they are invalid.

use archety_backend::config::RelayAuth;
use rstest::rstest;
use serde_json::{Value, json};
use shared_protocol::MESSAGE_ROUTE;

use crate::support::{Engine, Postgres, Sqlite, TestApp, message, sqlite_app};

const ADA: &str = "+15550100001";

/// A message with these fields set.
fn message_with(fields: Value) -> Value {
    let mut body = message("hello");
    let (Some(body_fields), Value::Object(fields)) = (body.as_object_mut(), fields) else {
        panic!("objects");
    };
    body_fields.extend(fields);
    body
}

/// Posts a message and returns the `status` of the answer.
async fn post(app: &TestApp, id: &str, body: &Value) -> Value {
    let answer = app.relay().post(id, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["status"].clone()
}

/// Ada's messages as the backend shows them, with only the fields that are the same in every run.
async fn shown(app: &TestApp) -> Vec<Value> {
    let ada = app.signed_in(ADA).await;
    let page = ada.get(app, "/user/messages").await.json();
    let exported = ada.get(app, "/user/export").await.json();
    assert_eq!(
        page["messages"], exported["messages"],
        "the export has the messages of the page, on {}",
        app.kind
    );
    let mut messages = page["messages"].as_array().expect("a list").clone();
    for message in &mut messages {
        let fields = message.as_object_mut().expect("an object");
        fields.retain(|name, _| ["text", "event", "mode", "meta_data"].contains(&name.as_str()));
    }
    messages
}

#[rstest]
#[tokio::test]
async fn every_field_of_a_message_is_shown_and_exported(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let bodies = [
        message_with(json!({
            "text": "", "message_guid": "VOICE",
            "attachments": [{
                "guid": "at_0", "mime_type": "audio/x-caf", "name": "Audio Message.caf",
                "size_bytes": 4_000, "part": 0, "state": "finished",
                "transcript": "I am \u{fffc} on my way, zoë",
            }],
        })),
        message_with(json!({
            "message_guid": "VOICE", "event": "attachment_update", "revision": 1, "text": "",
            "attachments": [{ "guid": "at_0", "state": "finished", "transcript": "late words" }],
        })),
        message_with(json!({
            "message_guid": "GENMOJI", "text": "look \u{fffc}",
            "attachments": [{
                "guid": "at_1", "part": 1, "is_sticker": true, "state": "finished",
                "description": "a dragon on roller skates",
            }],
        })),
        message_with(json!({
            "message_guid": "LINK", "text": "https://example.com/docs", "link_of_guid": "TEXT",
        })),
        message_with(json!({
            "message_guid": "REPLY", "reply_to_guid": "GENMOJI", "reply_to_part": -1,
            "text": "which one?",
        })),
        message_with(json!({
            "message_guid": "SMS-REACTION", "event": "tapback", "revision": 1, "service": "SMS",
            "text": "", "tapback": { "action": "added", "kind": "like" },
        })),
        message_with(json!({
            "message_guid": "MENTION", "chat_guid": "iMessage;+;chat1", "mode": "group",
            "participants": [ADA, "+15550100002"], "text": "Ben, are you there?",
            "mentions": ["+15550100002", "ben@example.com"], "group_name": "Sunday 🏃 run",
        })),
    ];
    for (n, body) in bodies.iter().enumerate() {
        app.clock.advance(std::time::Duration::from_secs(1));
        assert_eq!(post(&app, &format!("msg_{n}"), body).await, "accepted");
    }
    insta::assert_json_snapshot!("messages_shown", shown(&app).await);
}

#[rstest]
#[tokio::test]
async fn fields_of_the_longest_permitted_values_are_stored_with_u0000_replaced(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let long = |n: usize| format!("{}\0", "ж".repeat(n - 1));
    // Distinct characters of four bytes each, so that the database cannot compress the value.
    let incompressible = |n: u32| -> String {
        (0..n)
            .filter_map(|c| char::from_u32(0x2_0000 + c * 7))
            .collect()
    };
    let body = message_with(json!({
        "chat_guid": incompressible(512), "line": incompressible(320), "effect": incompressible(255), "service": incompressible(255),
        "message_guid": "LONG", "link_of_guid": long(512), "group_name": long(255),
        "mentions": vec![incompressible(320); 200], "reply_to_part": i64::MIN,
        "attachments": [{
            "guid": "at_0", "part": i64::MAX, "description": long(255), "transcript": long(10_000),
        }],
    }));
    let relay = app.relay();
    for status in ["accepted", "duplicate"] {
        let answer = relay.post("msg_1", &body).await;
        assert_eq!(answer.json()["status"], status, "{}", answer.text());
    }
    let meta_data = shown(&app).await[0]["meta_data"].clone();
    let transcript = meta_data["attachments"][0]["transcript"].as_str();
    let expected = format!("{}\u{fffd}", "ж".repeat(9_999));
    assert_eq!(transcript, Some(expected.as_str()), "{}", app.kind);
    assert_eq!(meta_data["mentions"].as_array().map(Vec::len), Some(200));
    assert_eq!(meta_data["reply_to_part"], i64::MIN);
}

#[tokio::test]
async fn every_invalid_value_is_refused_with_its_field() {
    let app = sqlite_app(RelayAuth::Both).await;
    let attachment = |fields: Value| {
        let mut all = json!({ "guid": "at_0" });
        all.as_object_mut()
            .expect("an object")
            .extend(fields.as_object().expect("fields").clone());
        json!({ "attachments": [{ "guid": "fine" }, all] })
    };
    let cases = [
        (json!({ "reply_to_part": "0" }), "reply_to_part"),
        (json!({ "reply_to_part": 0.5 }), "reply_to_part"),
        (
            json!({ "reply_to_part": 9_223_372_036_854_775_808_u64 }),
            "reply_to_part",
        ),
        (json!({ "link_of_guid": "" }), "link_of_guid"),
        (json!({ "link_of_guid": "x".repeat(513) }), "link_of_guid"),
        (json!({ "link_of_guid": ["x"] }), "link_of_guid"),
        (json!({ "mentions": "+15550100002" }), "mentions"),
        (json!({ "mentions": [7] }), "mentions"),
        (json!({ "mentions": ["a", ""] }), "mentions[1]"),
        (json!({ "mentions": ["a\nb"] }), "mentions[0]"),
        (json!({ "mentions": ["x".repeat(321)] }), "mentions[0]"),
        (json!({ "mentions": vec!["x"; 513] }), "mentions"),
        (json!({ "group_name": 1 }), "group_name"),
        (json!({ "group_name": "x".repeat(256) }), "group_name"),
        (json!({ "rehearsal": "yes" }), "rehearsal"),
        (json!({ "rehearsal": 1 }), "rehearsal"),
        (attachment(json!({ "part": "0" })), "attachments"),
        (attachment(json!({ "part": 1.5 })), "attachments"),
        (
            attachment(json!({ "description": "x".repeat(256) })),
            "attachments[1].description",
        ),
        (
            attachment(json!({ "transcript": "x".repeat(10_001) })),
            "attachments[1].transcript",
        ),
        (attachment(json!({ "transcript": {} })), "attachments"),
        (json!({ "event": "tapback", "revision": 1 }), "tapback"),
        (
            json!({ "tapback": { "action": "added", "kind": "like", "target_guid": "" } }),
            "tapback.target_guid",
        ),
        (json!({ "tapback": { "kind": "like" } }), "tapback"),
    ];
    for (n, (fields, field)) in cases.into_iter().enumerate() {
        let (id, body) = (format!("msg_{n}"), message_with(fields));
        let refused = app.relay().post(&id, &body).await;
        assert_eq!(refused.status, 422, "{body} {}", refused.text());
        assert!(app.relay().trusts(&id, &refused), "a refusal is signed");
        let violations = refused.json()["violations"].clone();
        assert_eq!(violations.as_array().map(Vec::len), Some(1), "{violations}");
        assert_eq!(violations[0]["field"], field);
    }
    let all_at_once = message_with(json!({
        "reply_to_part": "0", "link_of_guid": "", "mentions": [""], "group_name": "x".repeat(256),
        "rehearsal": "yes", "attachments": [{ "guid": "", "transcript": "x".repeat(10_001) }],
    }));
    let refused = app.relay().post("msg_all", &all_at_once).await.json();
    let mut fields: Vec<&str> = refused["violations"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|violation| violation["field"].as_str())
        .collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "attachments[0].guid",
            "attachments[0].transcript",
            "group_name",
            "link_of_guid",
            "mentions[0]",
            "rehearsal",
            "reply_to_part"
        ]
    );
}

#[rstest]
#[tokio::test]
async fn messages_without_optional_fields_with_nulls_or_with_unknown_fields_are_accepted(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    // An older release sends none of the fields. Libraries of some languages send null for each.
    assert_eq!(post(&app, "msg_old", &message("old")).await, "accepted");
    let nulls = message_with(json!({
        "text": "nulls", "reply_to_part": null, "link_of_guid": null, "mentions": null,
        "group_name": null, "rehearsal": null,
        "attachments": [{ "guid": "a", "part": null, "description": null, "transcript": null }],
    }));
    assert_eq!(post(&app, "msg_nulls", &nulls).await, "accepted");
    let newer = message_with(json!({
        "text": "newer", "mood": "fine", "mentions_of_the_future": [{ "deep": [1, [2]] }],
        "attachments": [{ "guid": "a", "waveform": [1, 2, 3] }],
    }));
    assert_eq!(post(&app, "msg_newer", &newer).await, "accepted");
    let by_bearer = app.relay().post_bearer(MESSAGE_ROUTE, &newer).await;
    assert_eq!(by_bearer.status, 200, "{}", by_bearer.text());
}
