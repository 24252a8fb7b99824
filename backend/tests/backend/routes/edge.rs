//! Routes of the predecessor: `POST /edge/message`, `POST /photo/upload`, `GET /edge/ws`.

use archety_backend::config::RelayAuth;
use archety_backend::store::Pools;
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};
use shared_protocol::{LEGACY_MESSAGE_ROUTE, MESSAGE_ROUTE};

use crate::support::{
    Engine, MINI_SECRET, PLAIN_SECRET, Postgres, Sqlite, TestApp, message, secrets, sqlite_app,
};

/// The body of a message as `RailwayClient` of archety-edge builds it. `line` is the Mac's own number.
fn message_body(text: &str, line: &str) -> Value {
    json!({
        "chat_guid": "iMessage;-;+15550100001",
        "mode": "direct",
        "sender": "+15550100001",
        "text": text,
        "timestamp": 1_790_000_000,
        "participants": ["+15550100001"],
        "persona_id": "luna",
        "persona_phone": line,
        "metadata": {
            "was_redacted": false, "redacted_fields": [], "filter_reason": "phase1_transport"
        },
    })
}

/// Posts to `route` with the name that a predecessor's relay, an agent, gives itself in a header. Expects 200.
async fn post(app: &TestApp, route: &str, secret: &str, agent: &str, body: &Value) -> Value {
    let bearer = format!("Bearer {secret}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("x-edge-agent-id", agent),
    ];
    let answer = app.call(Method::POST, route, &headers, Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Posts to `/edge/message` as this agent, with the secret that names no relay.
async fn post_as_agent(app: &TestApp, agent: &str, body: &Value) -> Value {
    post(app, LEGACY_MESSAGE_ROUTE, PLAIN_SECRET, agent, body).await
}

/// Relay, line, event, whether the text was cut, and text of each stored message, ordered by text.
async fn stored(app: &TestApp) -> Vec<(String, String, String, bool, String)> {
    let is_cut = match app.kind {
        "postgres" => "coalesce((m.meta_data->>'truncated')::boolean, false)",
        _ => "coalesce(m.meta_data->>'truncated', 0) <> 0",
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "select m.relay, c.line, m.event, {is_cut}, coalesce(m.text, '') from messages m \
         join conversations c on c.id = m.conversation_id order by 5, 1, 2"
    ));
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    }
    .expect("rows")
}

/// What `stored` returns for a message whose text is not cut.
fn uncut_message(relay: &str, line: &str, text: &str) -> (String, String, String, bool, String) {
    let message = "message".to_owned();
    (
        relay.to_owned(),
        line.to_owned(),
        message,
        false,
        text.to_owned(),
    )
}

const LUNA: &str = "+15550100100";
const NYX: &str = "+15550100200";

#[rstest]
#[tokio::test]
async fn agents_with_one_secret_are_separate_relays_and_the_first_is_default(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let luna = post_as_agent(&app, "luna1", &message_body("a", LUNA)).await;
    let nyx = post_as_agent(&app, "edge_15550100200", &message_body("a", NYX)).await;
    assert_ne!(
        luna["message_id"], nyx["message_id"],
        "the same text in two relays is two messages"
    );
    assert_eq!(
        post_as_agent(&app, "luna1", &message_body("a", LUNA)).await["status"],
        "duplicate"
    );
    // A second replica reads which agent was the first, and so is `default`.
    let store = app.store.clone();
    let replica = TestApp::replica(app.base.clone(), store, RelayAuth::Both, &secrets()).await;
    post_as_agent(&replica, "edge_15550100200", &message_body("b", NYX)).await;
    post_as_agent(&replica, "luna1", &message_body("b", LUNA)).await;
    // A second agent on one line is a relay of its own.
    post_as_agent(&replica, "echo", &message_body("c", LUNA)).await;
    // Requests without an agent are of `default`, on the line that they name.
    post_as_agent(&replica, "", &message_body("d", LUNA)).await;
    post_as_agent(&replica, "", &message_body("d", NYX)).await;
    assert_eq!(
        stored(&app).await,
        [
            uncut_message("default", LUNA, "a"),
            uncut_message("edge/edge_15550100200", NYX, "a"),
            uncut_message("default", LUNA, "b"),
            uncut_message("edge/edge_15550100200", NYX, "b"),
            uncut_message("edge/echo", LUNA, "c"),
            uncut_message("default", LUNA, "d"),
            uncut_message("default", NYX, "d"),
        ],
        "{}",
        app.kind
    );
}

#[rstest]
#[tokio::test]
async fn of_two_agents_that_post_first_at_once_exactly_one_becomes_default(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let store = app.store.clone();
    let other = TestApp::replica(app.base.clone(), store, RelayAuth::Both, &secrets()).await;
    let (one, two) = (message_body("a", LUNA), message_body("b", NYX));
    tokio::join!(
        post_as_agent(&app, "one", &one),
        post_as_agent(&other, "two", &two)
    );
    let relays: Vec<String> = stored(&app).await.into_iter().map(|row| row.0).collect();
    let allowed = [["default", "edge/two"], ["edge/one", "default"]];
    assert!(
        allowed.iter().any(|allowed| relays == *allowed),
        "{relays:?}"
    );
}

#[rstest]
#[tokio::test]
async fn the_agent_header_counts_only_at_the_edge_route_with_an_unnamed_secret_and_a_valid_name(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    post_as_agent(&app, "first", &message_body("a", LUNA)).await;
    let mini = MINI_SECRET.trim_start_matches("mini:");
    post(
        &app,
        MESSAGE_ROUTE,
        PLAIN_SECRET,
        "other",
        &message_body("b", LUNA),
    )
    .await;
    post(
        &app,
        LEGACY_MESSAGE_ROUTE,
        mini,
        "other",
        &message_body("c", LUNA),
    )
    .await;
    for (i, invalid_name) in ["a b", "../mini", "rehearsal", &"x".repeat(65)]
        .into_iter()
        .enumerate()
    {
        post_as_agent(&app, invalid_name, &message_body(&format!("d{i}"), LUNA)).await;
    }
    let relays: Vec<String> = stored(&app).await.into_iter().map(|row| row.0).collect();
    let mut expected = vec!["default"; 7];
    expected[2] = "mini";
    assert_eq!(relays, expected, "{}", app.kind);
}

#[rstest]
#[tokio::test]
async fn the_edge_route_cuts_long_texts_and_accepts_empty_ones_instead_of_refusing_them(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let long = "x".repeat(50_001);
    post_as_agent(&app, "luna1", &message_body(&long, LUNA)).await;
    post_as_agent(&app, "luna1", &message_body("", LUNA)).await;
    let mut photo = message_body("", NYX);
    photo["attachments"] = json!([{
        "guid": "at_0_A", "mime_type": "image/heic", "size_bytes": null, "is_photo": true,
        "skipped": true, "skip_reason": "upload_failed",
    }]);
    post_as_agent(&app, "luna1", &photo).await;
    let rows = stored(&app).await;
    let seen: Vec<_> = rows
        .iter()
        .map(|(_, line, event, is_cut, text)| (line.as_str(), event.as_str(), *is_cut, text.len()))
        .collect();
    assert_eq!(
        seen,
        [
            (LUNA, "other", false, 0),
            (NYX, "message", false, 0),
            (LUNA, "message", true, 50_000)
        ]
    );
}

#[rstest]
#[tokio::test]
async fn a_message_stored_by_one_message_route_is_a_duplicate_at_the_other(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut body = message("hey");
    body["persona_id"] = json!("sage");
    body["filtered"] = json!(true);
    let answer = app.relay().post_bearer(LEGACY_MESSAGE_ROUTE, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["should_respond"], false);
    let other_route = app.relay().post_bearer(MESSAGE_ROUTE, &body).await;
    assert_eq!(
        other_route.json()["status"],
        "duplicate",
        "both routes know the message"
    );
}

#[tokio::test]
async fn photos_and_web_sockets_answer_501_with_a_hint_or_401_without_the_secret() {
    let app = sqlite_app(RelayAuth::Both).await;
    let right = format!("Bearer {PLAIN_SECRET}");
    for (method, path, hint) in [
        (Method::POST, "/photo/upload", "stays on the Mac"),
        (Method::GET, "/edge/ws?edge_agent_id=luna1", "/edge/message"),
    ] {
        let upgrade = [
            ("authorization", right.as_str()),
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = app.call(method.clone(), path, &upgrade, None).await;
        assert_eq!(
            (answer.status.as_u16(), answer.fault().as_str()),
            (501, "not_served")
        );
        assert!(answer.text().contains(hint), "{}", answer.text());
        for wrong in [
            &[][..],
            &[("authorization", "Bearer wrong")],
            &[("webhook-id", "msg_1")],
        ] {
            let refused = app.call(method.clone(), path, wrong, None).await;
            assert_eq!(refused.status, 401, "{path}");
        }
    }
}
