//! Messages and pulls of a rehearsal are kept apart from those of the relay with the same secret.

use rstest::rstest;
use serde_json::{Value, json};
use shared_protocol::{MESSAGE_ROUTE, PULL_ROUTE, RelayName};

use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

const ADA: &str = "+15550100001";

/// A message of a rehearsal.
fn rehearsed(text: &str, guid: &str) -> Value {
    let mut body = message(text);
    body["message_guid"] = json!(guid);
    body["rehearsal"] = json!(true);
    body
}

/// A message that is no part of a rehearsal.
fn real(text: &str, guid: &str) -> Value {
    let mut body = message(text);
    body["message_guid"] = json!(guid);
    body
}

/// Relay, line and text of all stored messages, ordered by text.
async fn stored(app: &TestApp) -> Vec<(String, String, String)> {
    use archety_backend::store::Pools;
    let sql = "select c.relay, c.line, m.text from messages m \
               join conversations c on c.id = m.conversation_id and c.relay = m.relay order by m.text";
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    }
    .expect("rows")
}

/// The guid of the newest message in the answer to a pull.
async fn newest(app: &TestApp, id: &str, pull: &Value) -> Value {
    let answer = app.mini().pull(id, pull).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["newest_message"]["message_guid"].clone()
}

#[rstest]
#[tokio::test]
async fn a_guid_is_stored_once_as_rehearsal_and_once_as_real(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mini = app.mini();
    for (id, body, status) in [
        ("msg_1", rehearsed("a", "A"), "accepted"),
        ("msg_1", rehearsed("a", "A"), "duplicate"),
        ("msg_2", real("b", "A"), "accepted"),
        ("msg_2", real("b", "A"), "duplicate"),
    ] {
        let answer = mini.post(id, &body).await;
        assert_eq!(answer.json()["status"], status, "{}", answer.text());
        assert!(mini.trusts(id, &answer));
    }
    let conflict = mini.post("msg_1", &rehearsed("other words", "A")).await;
    assert_eq!(conflict.fault(), "id_conflict");
    let row = |relay: &str, text: &str| (relay.to_owned(), String::new(), text.to_owned());
    assert_eq!(
        stored(&app).await,
        [row("mini/rehearsal", "a"), row("mini", "b")],
        "{}",
        app.kind
    );
}

#[rstest]
#[tokio::test]
async fn the_newest_message_of_a_relay_is_no_rehearsal_and_that_of_a_rehearsal_is(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let pull = json!({ "instance_id": "mac" });
    let rehearsing = json!({ "instance_id": "laptop", "rehearsal": true });
    app.mini().post("msg_1", &rehearsed("a", "A")).await;
    assert_eq!(
        newest(&app, "pull_1", &pull).await,
        Value::Null,
        "{}",
        app.kind
    );
    assert_eq!(newest(&app, "pull_2", &rehearsing).await, "A");
    app.mini().post("msg_2", &real("b", "B")).await;
    app.clock.advance(std::time::Duration::from_secs(1));
    app.mini().post("msg_3", &rehearsed("c", "C")).await;
    assert_eq!(newest(&app, "pull_3", &pull).await, "B", "{}", app.kind);
    assert_eq!(newest(&app, "pull_4", &rehearsing).await, "C");
}

#[rstest]
#[tokio::test]
async fn the_pull_of_a_rehearsal_has_its_own_lease_and_stores_neither_lines_nor_a_relay(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let lines = json!([{ "name": "+15550100100", "addresses": ["me@example.com"] }]);
    let rehearsing = json!({
        "instance_id": "laptop", "rehearsal": true, "status": { "lines": lines },
    });
    assert_eq!(app.mini().pull("pull_1", &rehearsing).await.status, 200);
    let real_pull = json!({ "instance_id": "mac" });
    let granted = app.mini().pull("pull_2", &real_pull).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    assert_eq!(app.mini().pull("pull_3", &rehearsing).await.status, 200);
    let other = json!({ "instance_id": "other laptop", "rehearsal": true });
    assert_eq!(
        app.mini().pull("pull_4", &other).await.fault(),
        "relay_elsewhere"
    );
    // The lines in the rehearsal's pull are not stored, so the address is not replaced by the line's name.
    for (id, mut body) in [("msg_1", rehearsed("a", "A")), ("msg_2", real("b", "B"))] {
        body["line"] = json!("me@example.com");
        app.mini().post(id, &body).await;
    }
    let row = |relay: &str, text: &str| {
        (
            relay.to_owned(),
            "me@example.com".to_owned(),
            text.to_owned(),
        )
    };
    assert_eq!(
        stored(&app).await,
        [row("mini/rehearsal", "a"), row("mini", "b")],
        "{}",
        app.kind
    );
    let names: Vec<String> = app
        .store
        .relays()
        .await
        .expect("relays")
        .into_iter()
        .map(|relay| relay.name)
        .collect();
    assert_eq!(names, ["mini"], "a rehearsal is not listed as a relay");
    assert!(!app.metrics().await.contains("relay=\"mini/rehearsal\""));
}

#[rstest]
#[tokio::test]
async fn a_replayed_id_and_timestamp_are_refused_with_and_without_the_mark_of_a_rehearsal(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let now = app.clock.now().as_secs();
    let mini = app.mini();
    for (route, id, body) in [
        (MESSAGE_ROUTE, "msg_1", rehearsed("a", "A")),
        (
            PULL_ROUTE,
            "pull_1",
            json!({ "instance_id": "laptop", "rehearsal": true }),
        ),
    ] {
        let request = || mini.signed(route, id, now, body.to_string().into_bytes());
        assert_eq!(app.send(request()).await.status, 200);
        let again = app.send(request()).await;
        assert_eq!(again.fault(), "replayed", "{}", app.kind);
        assert!(mini.trusts(id, &again));
        // The same id and timestamp are refused for the relay itself, too.
        let mut other = body.clone();
        other["rehearsal"] = json!(false);
        let other = mini.signed(route, id, now, other.to_string().into_bytes());
        assert_eq!(app.send(other).await.fault(), "replayed", "{}", app.kind);
    }
}

#[rstest]
#[tokio::test]
async fn a_rehearsal_is_accepted_only_with_the_relay_id_of_its_secret(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut body = rehearsed("a", "A");
    body["relay_id"] = json!("mini");
    assert_eq!(app.mini().post("msg_1", &body).await.status, 200);
    for wrong in ["mini/rehearsal", "other"] {
        body["relay_id"] = json!(wrong);
        body["message_guid"] = json!(wrong);
        let refused = app.mini().post("msg_2", &body).await;
        assert_eq!(refused.fault(), "relay_mismatch", "{wrong}");
    }
}

#[rstest]
#[tokio::test]
async fn a_developer_sees_rehearsed_messages_and_they_change_no_relationship(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let without_guid = |text: &str| {
        let mut body = message(text);
        body["rehearsal"] = json!(true);
        body
    };
    // A bearer secret, because a backend may accept no signatures.
    for (text, status) in [("a", "accepted"), ("a", "duplicate"), ("b", "accepted")] {
        let answer = app
            .relay()
            .post_bearer(MESSAGE_ROUTE, &without_guid(text))
            .await;
        assert_eq!(answer.json()["status"], status, "{}", answer.text());
    }
    let ada = app.signed_in(ADA).await;
    let page = ada.get(&app, "/user/messages").await.json();
    let messages = page["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 2, "{}", app.kind);
    assert_eq!(messages[0]["meta_data"]["rehearsal"], true);
    let profile = ada.get(&app, "/user/profile").await.json();
    assert_eq!(profile["relationship"], Value::Null, "{}", app.kind);
    let newest = app.store.newest_message(&RelayName::default()).await;
    assert_eq!(newest.expect("readable"), None);
    let conversations: Vec<_> = stored(&app).await.into_iter().map(|row| row.0).collect();
    assert_eq!(conversations, ["default/rehearsal"; 2]);
}
