//! Signatures of requests: the accepted ones, and the refusals of all others.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::config::{RelayAuth, Retention};
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request};
use rstest::rstest;
use serde_json::json;
use shared_protocol::{HEADER_ID, HEADER_SIGNATURE, HEADER_TIMESTAMP, MESSAGE_ROUTE, PULL_ROUTE};

use crate::support::{
    Engine, MINI_SECRET, OTHER_SECRET, PLAIN_SECRET, Postgres, Sqlite, TestApp, TestRelay,
    TestStore, message, sqlite_app,
};

fn message_body() -> Vec<u8> {
    message("hello").to_string().into_bytes()
}

#[rstest]
#[tokio::test]
async fn a_replay_is_refused_on_every_replica_and_answered_signed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let second = store.second().await;
    let first = TestApp::on(store, RelayAuth::Both, PLAIN_SECRET).await;
    let second = TestApp::replica(
        Arc::clone(&first.base),
        second,
        RelayAuth::Both,
        PLAIN_SECRET,
    )
    .await;
    let now = first.clock.now().as_secs();
    let request = |app: &TestApp| {
        app.relay()
            .signed(MESSAGE_ROUTE, "msg_1", now, message_body())
    };
    assert_eq!(first.send(request(&first)).await.status, 200);
    for app in [&first, &second] {
        let replayed = app.send(request(app)).await;
        assert_eq!(
            (replayed.status.as_u16(), replayed.fault().as_str()),
            (401, "replayed")
        );
        assert_eq!(replayed.json()["detail"], "Invalid signature");
        assert!(app.relay().trusts("msg_1", &replayed));
    }
    let metric = "relay_auth_failures_total{reason=\"replayed\"}";
    assert!(first.metrics().await.contains(metric));
    let signed_again = second
        .relay()
        .signed(MESSAGE_ROUTE, "msg_1", now + 1, message_body());
    assert_eq!(
        second.send(signed_again).await.json()["status"],
        "duplicate"
    );
}

#[tokio::test]
async fn a_replay_is_refused_after_a_restart() {
    let before = TestStore::sqlite().await;
    let (config, folder) = (before.config.clone(), before.keep_folder());
    let app = TestApp::on(before, RelayAuth::Both, PLAIN_SECRET).await;
    let now = app.clock.now().as_secs();
    let request = app
        .relay()
        .signed(MESSAGE_ROUTE, "msg_1", now, message_body());
    assert_eq!(app.send(request).await.status, 200);
    app.store.close().await;
    drop(app);
    let app = TestApp::on(
        TestStore::at(config, folder).await,
        RelayAuth::Both,
        PLAIN_SECRET,
    )
    .await;
    let request = app
        .relay()
        .signed(MESSAGE_ROUTE, "msg_1", now, message_body());
    assert_eq!(app.send(request).await.fault(), "replayed");
}

#[rstest]
#[tokio::test]
async fn a_receipt_is_kept_until_the_timestamp_of_its_request_is_stale(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let now = app.clock.now();
    let ahead = now.as_secs() + 300;
    let request = || {
        app.relay()
            .signed(MESSAGE_ROUTE, "msg_1", ahead, message_body())
    };
    assert_eq!(app.send(request()).await.status, 200);
    app.clock.advance(Duration::from_mins(10));
    app.store
        .clean(&Retention::default(), app.clock.now())
        .await
        .expect("cleaned");
    assert_eq!(
        app.send(request()).await.fault(),
        "replayed",
        "the timestamp is still valid"
    );
    app.clock.advance(Duration::from_mins(2));
    assert_eq!(
        app.store
            .clean(&Retention::default(), app.clock.now())
            .await
            .expect("cleaned"),
        1
    );
    assert_eq!(app.send(request()).await.fault(), "stale_timestamp");
}

#[tokio::test]
async fn a_stale_timestamp_is_answered_with_the_servers_time() {
    let app = sqlite_app(RelayAuth::Both).await;
    let now = app.clock.now().as_secs();
    for (skew, refused) in [
        (-300, false),
        (300, false),
        (-301, true),
        (301, true),
        (5 * 365 * 86_400, true),
    ] {
        let id = format!("msg_{}", skew + 1_000_000);
        let answer = app
            .send(
                app.relay()
                    .signed(MESSAGE_ROUTE, &id, now + skew, message_body()),
            )
            .await;
        assert_eq!(answer.status == 401, refused, "{skew}: {}", answer.text());
        if refused {
            assert_eq!(answer.fault(), "stale_timestamp");
            assert_eq!(answer.json()["server_time"], now);
            assert!(!answer.is_signed());
        }
    }
}

#[tokio::test]
async fn a_request_with_an_invalid_signature_or_header_is_refused_with_the_reason_and_unsigned() {
    let app = sqlite_app(RelayAuth::Both).await;
    let now = app.clock.now().as_secs();
    let good = |id: &str| app.relay().signed(MESSAGE_ROUTE, id, now, message_body());
    let with = |name: &'static str, value: &[u8]| {
        let mut request = good("msg_x");
        request
            .headers_mut()
            .insert(name, HeaderValue::from_bytes(value).expect("bytes"));
        request
    };
    let without = |name: &str| {
        let mut request = good("msg_x");
        request.headers_mut().remove(name);
        request
    };
    let twice = |name: &'static str| {
        let mut request = good("msg_x");
        let value = request.headers()[name].clone();
        request.headers_mut().append(name, value);
        request
    };
    let stranger = TestRelay::new(&app, OTHER_SECRET);
    let mut altered = good("msg_x");
    *altered.body_mut() = Body::from("{}");
    let cases: Vec<(&str, Request<Body>)> = vec![
        (
            "mismatch",
            stranger.signed(MESSAGE_ROUTE, "msg_x", now, message_body()),
        ),
        ("mismatch", altered),
        (
            "wrong_purpose",
            app.relay()
                .signed(MESSAGE_ROUTE, "pull_x", now, message_body()),
        ),
        (
            "wrong_purpose",
            app.relay()
                .signed(MESSAGE_ROUTE, "res_msg_x", now, message_body()),
        ),
        (
            "wrong_purpose",
            app.relay().signed(PULL_ROUTE, "msg_x", now, message_body()),
        ),
        ("malformed_header", without(HEADER_ID)),
        ("malformed_header", without(HEADER_TIMESTAMP)),
        ("malformed_header", without(HEADER_SIGNATURE)),
        ("malformed_header", twice(HEADER_ID)),
        ("malformed_header", twice(HEADER_SIGNATURE)),
        ("malformed_header", with(HEADER_ID, b"")),
        ("malformed_header", with(HEADER_ID, "msg_é".as_bytes())),
        (
            "malformed_header",
            with(HEADER_ID, "m".repeat(8_000).as_bytes()),
        ),
        ("malformed_header", with(HEADER_TIMESTAMP, b"soon")),
        ("malformed_header", with(HEADER_SIGNATURE, b"\xff\xfe")),
        (
            "malformed_header",
            with(HEADER_SIGNATURE, "v1,".repeat(2_000).as_bytes()),
        ),
    ];
    for (reason, request) in cases {
        let answer = app.send(request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.fault(), reason);
        assert_eq!(answer.json()["detail"], "Invalid signature");
        assert!(!answer.is_signed(), "an unproved sender gets no signature");
    }
}

#[tokio::test]
async fn a_bearer_beside_any_webhook_header_is_refused() {
    let app = sqlite_app(RelayAuth::Both).await;
    for header in [
        HEADER_ID,
        HEADER_TIMESTAMP,
        HEADER_SIGNATURE,
        "webhook-anything",
    ] {
        let request = Request::post(MESSAGE_ROUTE)
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {PLAIN_SECRET}"))
            .header(header, "x")
            .body(Body::from(message_body()))
            .expect("valid");
        let fault = app.send(request).await.fault();
        assert!(
            fault == "malformed_header" || fault == "wrong_purpose",
            "{header}: {fault}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn old_and_new_secret_are_accepted_until_the_old_one_is_removed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let second = store.second().await;
    let old_and_new = format!("{PLAIN_SECRET},{OTHER_SECRET}");
    let first = TestApp::on(store, RelayAuth::Both, &old_and_new).await;
    let mut body = message("hello");
    body["message_guid"] = json!("ROTATED");
    for (n, secret) in [(1, PLAIN_SECRET), (2, OTHER_SECRET)] {
        let relay = TestRelay::new(&first, secret);
        let id = format!("msg_{n}");
        let answer = relay.post(&id, &body).await;
        assert_eq!(answer.status, 200);
        assert!(
            relay.trusts(&id, &answer),
            "signed with the key that verified it"
        );
    }
    let rotated = TestApp::replica(
        Arc::clone(&first.base),
        second,
        RelayAuth::Both,
        OTHER_SECRET,
    )
    .await;
    let stale = TestRelay::new(&rotated, PLAIN_SECRET)
        .post("msg_3", &body)
        .await;
    assert_eq!(stale.fault(), "mismatch");
    let fresh = TestRelay::new(&rotated, OTHER_SECRET)
        .post("msg_4", &body)
        .await;
    assert_eq!(
        fresh.json()["status"],
        "duplicate",
        "the relay is still `default`"
    );
}

#[tokio::test]
async fn bearer_mode_accepts_neither_signatures_nor_pulls() {
    let app = sqlite_app(RelayAuth::Bearer).await;
    assert_eq!(
        app.relay().post("msg_1", &message("hello")).await.fault(),
        "hmac_refused"
    );
    let pull = json!({ "instance_id": "one" });
    assert_eq!(
        app.relay().pull("pull_1", &pull).await.fault(),
        "hmac_refused"
    );
    assert_eq!(
        app.relay()
            .post_bearer(MESSAGE_ROUTE, &message("hello"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn failed_proofs_of_an_address_are_limited_and_valid_ones_are_still_accepted() {
    let app = sqlite_app(RelayAuth::Both).await;
    let stranger = TestRelay::new(&app, OTHER_SECRET);
    let mut limited = None;
    for n in 0..100 {
        let answer = stranger.post(&format!("msg_{n}"), &message("hello")).await;
        if answer.status == 429 {
            limited = Some((n, answer));
            break;
        }
        assert_eq!(answer.fault(), "mismatch");
    }
    let (n, answer) = limited.expect("a limit");
    assert!(n >= 20, "a relay with an old secret may try a few times");
    assert_eq!(answer.fault(), "rate_limited");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(
        app.relay().post("msg_ok", &message("hello")).await.status,
        200
    );
    let named = TestRelay::new(&app, MINI_SECRET)
        .post("msg_ok", &message("hello"))
        .await;
    assert_eq!(named.status, 200);
}
