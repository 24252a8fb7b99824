//! `POST /relay/commands/pull`: the heartbeat, the lease, the newest message. Each file beside this one has one concern
//! of commands or lines.

mod acks;
mod at_once;
mod commands;
mod ended;
mod gauges;
mod handed;
mod line_owners;
mod lines;
mod moving;
mod restored;
mod support;
mod wake_up;

use std::time::Duration;

use archety_backend::config::RelayAuth;
use rstest::rstest;
use serde_json::json;
use shared_protocol::PULL_ROUTE;

use crate::support::{Engine, Postgres, Sqlite, TestApp, message, sqlite_app};

#[rstest]
#[tokio::test]
async fn a_pull_answers_the_time_and_the_newest_message_of_its_relay_without_backfill(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.mini();
    let pull = json!({ "instance_id": "one", "status": { "version": "0.1.0", "outbox_depth": 3 } });
    let answer = relay.pull("pull_1", &pull).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(relay.trusts("pull_1", &answer));
    insta::assert_json_snapshot!("pull_empty", answer.json(), { ".version" => "[version]" });
    let mut newer = message("newer");
    newer["message_guid"] = json!("NEWER");
    let mut older = message("older");
    older["message_guid"] = json!("OLDER");
    older["timestamp"] = json!(1_700_000_000.25);
    let mut backfill = message("backfill");
    backfill["message_guid"] = json!("BACKFILL");
    backfill["timestamp"] = json!(1_789_999_999);
    backfill["is_backfill"] = json!(true);
    for (n, body) in [&newer, &older, &backfill].into_iter().enumerate() {
        assert_eq!(relay.post(&format!("msg_{n}"), body).await.status, 200);
    }
    let answer = relay.pull("pull_2", &pull).await.json();
    assert_eq!(answer["newest_message"]["message_guid"], "NEWER");
    assert_eq!(answer["newest_message"]["timestamp"], 1_789_999_990);
    let other = app.relay().pull("pull_3", &pull).await.json();
    assert_eq!(
        other.get("newest_message"),
        None,
        "another relay has no messages"
    );
}

#[rstest]
#[tokio::test]
async fn a_second_installation_is_refused_until_the_lease_of_90_seconds_expires(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let (one, two) = (
        json!({ "instance_id": "one" }),
        json!({ "instance_id": "two" }),
    );
    assert_eq!(app.mini().pull("pull_1", &one).await.status, 200);
    let elsewhere = app.mini().pull("pull_2", &two).await;
    assert_eq!(
        (elsewhere.status.as_u16(), elsewhere.fault().as_str()),
        (409, "relay_elsewhere")
    );
    assert!(app.mini().trusts("pull_2", &elsewhere));
    assert_eq!(
        app.relay().pull("pull_3", &two).await.status,
        200,
        "another relay name"
    );
    app.clock.advance(Duration::from_secs(89));
    assert_eq!(app.mini().pull("pull_4", &two).await.status, 409);
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(
        app.mini().pull("pull_5", &two).await.status,
        200,
        "the lease has expired"
    );
    assert_eq!(app.mini().pull("pull_6", &one).await.status, 409);
}

#[rstest]
#[tokio::test]
async fn a_signed_pull_is_accepted_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let now = app.clock.now().as_secs();
    let body = json!({ "instance_id": "one" }).to_string().into_bytes();
    let request = || app.mini().signed(PULL_ROUTE, "pull_1", now, body.clone());
    assert_eq!(app.send(request()).await.status, 200);
    let again = app.send(request()).await;
    assert_eq!(again.fault(), "replayed");
    assert!(app.mini().trusts("pull_1", &again));
}

#[tokio::test]
async fn a_long_poll_is_answered_200_when_draining_begins() {
    let app = sqlite_app(RelayAuth::Both).await;
    let polling = tokio::spawn({
        let app = app.clone();
        async move {
            let pull = json!({ "instance_id": "one", "wait_seconds": 25 });
            app.mini().pull("pull_1", &pull).await
        }
    });
    app.lifecycle.start_draining();
    let answer = tokio::time::timeout(Duration::from_secs(5), polling).await;
    assert_eq!(
        answer
            .expect("an answer within five seconds")
            .expect("no panic")
            .status,
        200
    );
}

#[tokio::test]
async fn a_malformed_pull_is_refused_with_its_field() {
    let app = sqlite_app(RelayAuth::Both).await;
    let cases = [
        (json!({ "instance_id": "" }), "instance_id"),
        (json!({ "instance_id": "a\u{0}" }), "instance_id"),
        (
            json!({ "instance_id": "one", "wait_seconds": 26 }),
            "wait_seconds",
        ),
        (
            json!({ "instance_id": "one", "after_seq": -1 }),
            "after_seq",
        ),
        (
            json!({ "instance_id": "one", "status": { "version": "\u{7}" } }),
            "status",
        ),
        (
            json!({ "instance_id": "one", "after": { "seq": -1, "id": "" } }),
            "after",
        ),
        (
            json!({ "instance_id": "one", "after": { "seq": 1_i64 << 60, "id": "a" } }),
            "after",
        ),
        (
            json!({ "instance_id": "one", "after": { "seq": 1, "id": "a\u{0}" } }),
            "after",
        ),
        (
            json!({ "instance_id": "one", "after": { "seq": 1, "id": "" } }),
            "after",
        ),
        (json!({ "wait_seconds": 1 }), "(body)"),
    ];
    for (n, (pull, field)) in cases.iter().enumerate() {
        let answer = app.mini().pull(&format!("pull_{n}"), pull).await;
        assert_eq!(answer.status, 422, "{field}");
        assert_eq!(answer.json()["violations"][0]["field"], *field);
    }
    let text = app.mini().signed(
        PULL_ROUTE,
        "pull_x",
        app.clock.now().as_secs(),
        b"hm".to_vec(),
    );
    assert_eq!(app.send(text).await.fault(), "malformed_json");
}

#[tokio::test]
async fn a_pull_with_a_bearer_secret_is_refused() {
    let app = sqlite_app(RelayAuth::Both).await;
    let answer = app
        .mini()
        .post_bearer(PULL_ROUTE, &json!({ "instance_id": "one" }))
        .await;
    assert_eq!(answer.fault(), "bearer_refused");
}
