//! `POST /orchestrator/message`: which messages are stored, and how they are answered.

mod bad_input;
mod bearer;
mod changes;
mod content;
mod rehearsal;
mod signature;
mod takeover;
mod unavailable;

use rstest::rstest;
use serde_json::json;
use shared_protocol::MESSAGE_ROUTE;

use crate::support::{Answered, Engine, Postgres, Sqlite, TestApp, message};

/// The body of an answer with placeholders for the values that differ in every run.
fn with_placeholders(answer: &Answered) -> serde_json::Value {
    let mut body = answer.json();
    for volatile in ["message_id", "request_id", "version"] {
        if let Some(value) = body.get_mut(volatile) {
            *value = json!(format!("[{volatile}]"));
        }
    }
    body
}

#[rstest]
#[tokio::test]
async fn the_documented_curl_request_is_accepted_and_its_repetition_a_duplicate(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let documented = json!({
        "chat_guid": "test-123",
        "mode": "direct",
        "sender": "+15551234567",
        "text": "hello sage!",
        "timestamp": 1_699_123_456,
        "participants": ["+15551234567"]
    });
    let answer = app.relay().post_bearer(MESSAGE_ROUTE, &documented).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    insta::assert_json_snapshot!("message_accepted", with_placeholders(&answer));
    let again = app.relay().post_bearer(MESSAGE_ROUTE, &documented).await;
    insta::assert_json_snapshot!("message_duplicate", with_placeholders(&again));
    assert_eq!(again.json()["message_id"], answer.json()["message_id"]);
}

#[rstest]
#[tokio::test]
async fn a_signed_message_is_stored_once_and_answered_signed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    let mut body = message("hello");
    body["message_guid"] = json!("GUID-1");
    let answer = relay.post("msg_1", &body).await;
    assert_eq!(answer.json()["status"], "accepted");
    assert!(relay.trusts("msg_1", &answer));
    assert!(
        !relay.trusts("msg_2", &answer),
        "the signature is bound to the id of the request"
    );
    assert!(
        answer
            .header("cache-control")
            .unwrap()
            .contains("no-transform")
    );
    let again = relay.post("msg_1", &body).await;
    assert_eq!(again.json()["status"], "duplicate");
    assert_eq!(again.json()["message_id"], answer.json()["message_id"]);
    let by_bearer_of_other_relay = app.relay().post_bearer(MESSAGE_ROUTE, &body).await;
    assert_eq!(
        by_bearer_of_other_relay.json()["status"],
        "accepted",
        "each relay has its own messages"
    );
}

#[rstest]
#[tokio::test]
async fn a_guid_is_one_message_by_signature_or_bearer_and_its_changes_are_others(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.relay();
    let mut body = message("hello");
    body["message_guid"] = json!("GUID-2");
    let signed = relay.post("msg_2", &body).await;
    let by_bearer = relay.post_bearer(MESSAGE_ROUTE, &body).await;
    assert_eq!(by_bearer.json()["status"], "duplicate");
    assert_eq!(by_bearer.json()["message_id"], signed.json()["message_id"]);
    for (event, revision) in [("edit", 0), ("edit", 2), ("unsend", 1)] {
        body["event"] = json!(event);
        body["revision"] = json!(revision);
        let answer = relay.post(&format!("msg_{event}{revision}"), &body).await;
        assert_eq!(answer.json()["status"], "accepted", "{event} {revision}");
    }
}

#[rstest]
#[tokio::test]
async fn another_text_under_a_stored_guid_is_a_conflict(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.relay();
    let mut body = message("first");
    body["message_guid"] = json!("GUID-3");
    let first = relay.post("msg_3", &body).await;
    body["text"] = json!("second");
    let conflict = relay.post("msg_3", &body).await;
    assert_eq!(conflict.status, 409);
    assert!(relay.trusts("msg_3", &conflict));
    assert_eq!(conflict.json()["message_id"], first.json()["message_id"]);
    insta::assert_json_snapshot!("message_conflict", with_placeholders(&conflict));
}

#[rstest]
#[tokio::test]
async fn without_a_guid_the_webhook_id_is_the_identity(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let relay = app.relay();
    let first = relay.post("msg_a", &message("ok")).await;
    let again = relay.post("msg_a", &message("ok")).await;
    let other = relay.post("msg_b", &message("ok")).await;
    let statuses = [&first, &again, &other].map(|answer| answer.json()["status"].clone());
    assert_eq!(statuses, ["accepted", "duplicate", "accepted"]);
}

#[rstest]
#[tokio::test]
async fn the_same_bearer_body_without_a_guid_is_a_duplicate_for_ten_minutes(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.relay();
    let post = async || -> serde_json::Value {
        relay
            .post_bearer(MESSAGE_ROUTE, &message("ok"))
            .await
            .json()["status"]
            .clone()
    };
    assert_eq!(post().await, "accepted");
    app.clock.advance(std::time::Duration::from_secs(599));
    assert_eq!(post().await, "duplicate");
    app.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(post().await, "accepted");
    assert_eq!(post().await, "duplicate");
}

#[rstest]
#[tokio::test]
async fn a_relay_id_that_contradicts_the_name_of_the_secret_is_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut body = message("hello");
    body["relay_id"] = json!("mini");
    assert_eq!(app.mini().post("msg_1", &body).await.status, 200);
    body["relay_id"] = json!("other");
    let refused = app.mini().post("msg_2", &body).await;
    assert_eq!(
        (refused.status.as_u16(), refused.fault().as_str()),
        (403, "relay_mismatch")
    );
    assert!(app.mini().trusts("msg_2", &refused));
    assert_eq!(
        app.relay().post("msg_3", &body).await.status,
        200,
        "an unnamed secret accepts any relay id"
    );
}

#[rstest]
#[tokio::test]
async fn of_simultaneous_posts_each_guid_is_accepted_once_and_then_a_duplicate(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let posts = (0..200).map(|n| {
        let app = app.clone();
        tokio::spawn(async move {
            let mut body = message(&format!("text {n}"));
            body["chat_guid"] = json!(format!("iMessage;-;+1555010{:04}", n % 20));
            body["message_guid"] = json!(format!("GUID-{}", n % 100));
            // Each guid is sent twice, with the same bytes.
            body["text"] = json!(format!("text {}", n % 100));
            app.relay().post(&format!("msg_{n}"), &body).await.json()["status"].clone()
        })
    });
    let mut accepted = 0;
    for post in posts.collect::<Vec<_>>() {
        let status = post.await.expect("no panic");
        accepted += i32::from(status == "accepted");
        assert!(status == "accepted" || status == "duplicate", "{status}");
    }
    assert_eq!(accepted, 100, "{}", app.kind);
}

#[rstest]
#[tokio::test]
async fn a_message_with_nul_characters_is_stored_with_replacement_characters_in_its_text(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut body = message("a\0b");
    body["attachments"] = json!([{ "guid": "at\0ta", "name": "x\0.png" }]);
    body["participants"] = json!(["+15550100001", "\0"]);
    body["message_guid"] = json!("nul\0");
    let answer = app.relay().post("msg_nul", &body).await;
    assert_eq!(answer.json()["status"], "accepted", "{}", app.kind);
    assert_eq!(stored_text(&app).await, "a\u{fffd}b");
}

async fn stored_text(app: &TestApp) -> String {
    use archety_backend::store::Pools;
    let sql = "select text from messages";
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("one message")
}
