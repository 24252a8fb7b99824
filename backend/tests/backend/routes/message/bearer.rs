//! Bearer secrets in place of signatures.

use archety_backend::config::RelayAuth;
use axum::body::Body;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use rstest::rstest;
use shared_protocol::MESSAGE_ROUTE;

use crate::support::{
    Engine, PLAIN_SECRET, Postgres, Sqlite, TestApp, TestRelay, TestStore, message, secrets,
    sqlite_app,
};

#[rstest]
#[tokio::test]
async fn after_a_signature_a_named_secret_is_refused_as_bearer_and_an_unnamed_one_is_not(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let body = message("hello");
    assert_eq!(
        app.mini().post_bearer(MESSAGE_ROUTE, &body).await.status,
        200
    );
    assert_eq!(app.mini().post("msg_1", &body).await.status, 200);
    let refused = app.mini().post_bearer(MESSAGE_ROUTE, &body).await;
    assert_eq!(
        (refused.status.as_u16(), refused.fault().as_str()),
        (401, "bearer_refused")
    );
    // Several relays may share the unnamed secret, and some of them may not be able to sign yet.
    assert_eq!(app.relay().post("msg_2", &body).await.status, 200);
    assert_eq!(
        app.relay()
            .post_bearer(MESSAGE_ROUTE, &message("x"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn bearer_mode_accepts_a_bearer_after_a_signature() {
    let app = sqlite_app(RelayAuth::Both).await;
    let body = message("hello");
    assert_eq!(app.mini().post("msg_1", &body).await.status, 200);
    let store = app.store.clone();
    let app = TestApp::replica(app.base, store, RelayAuth::Bearer, &secrets()).await;
    let accepted = app.mini().post_bearer(MESSAGE_ROUTE, &body).await;
    assert_eq!(accepted.status, 200, "bearer mode accepts no signature");
}

#[tokio::test]
async fn hmac_mode_refuses_a_bearer() {
    let app = sqlite_app(RelayAuth::Hmac).await;
    let refused = app
        .relay()
        .post_bearer(MESSAGE_ROUTE, &message("hello"))
        .await;
    assert_eq!(refused.fault(), "bearer_refused");
    assert_eq!(
        app.relay().post("msg_1", &message("hello")).await.status,
        200
    );
}

#[tokio::test]
async fn only_the_exact_secret_in_a_single_header_is_accepted() {
    let app = sqlite_app(RelayAuth::Both).await;
    let send = async |values: &[&[u8]]| {
        let mut request = Request::post(MESSAGE_ROUTE).header(CONTENT_TYPE, "application/json");
        for value in values {
            request = request.header(AUTHORIZATION, *value);
        }
        let body = Body::from(message("hello").to_string());
        app.send(request.body(body).expect("valid")).await
    };
    let good = format!("Bearer {PLAIN_SECRET}");
    let lower = format!("bearer  {PLAIN_SECRET}");
    assert_eq!(send(&[good.as_bytes()]).await.status, 200);
    assert_eq!(
        send(&[lower.as_bytes()]).await.status,
        200,
        "the case of the scheme does not matter"
    );
    assert_eq!(send(&[]).await.fault(), "missing_credentials");
    let long = format!("Bearer {}", "x".repeat(16_000));
    for bad in [
        "Bearer ",
        "Bearer",
        "",
        "Basic dXNlcjpwYXNz",
        PLAIN_SECRET,
        &format!("Bearer {PLAIN_SECRET}x"),
        &format!("Bearer mini:{PLAIN_SECRET}"),
        "Bearer \u{e9}\u{e9}",
        &long,
    ] {
        assert_eq!(
            send(&[bad.as_bytes()]).await.fault(),
            "wrong_bearer",
            "{bad}"
        );
    }
    assert_eq!(
        send(&[good.as_bytes(), good.as_bytes()]).await.fault(),
        "wrong_bearer"
    );
}

#[tokio::test]
async fn bearer_requests_are_counted_and_their_answers_are_not_signed() {
    // Counters are shared by all tests of the process, so this relay's name is used by no other test.
    let counted = "counted:secret-of-the-relay-that-is-counted";
    let app = TestApp::on(TestStore::sqlite().await, RelayAuth::Both, counted).await;
    let relay = TestRelay::new(&app, counted);
    let answer = relay.post_bearer(MESSAGE_ROUTE, &message("hello")).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.is_signed());
    let metric = "relay_bearer_requests_total{relay=\"counted\"} 1\n";
    assert!(app.metrics().await.contains(metric));
}

#[rstest]
#[tokio::test]
async fn a_bearer_that_the_operator_allows_again_works_until_the_next_signature(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mini = app.mini();
    let signed = mini.post("msg_first", &message("signed")).await;
    assert_eq!(signed.status, 200, "{}", signed.text());
    let by_bearer = mini.post_bearer(MESSAGE_ROUTE, &message("early")).await;
    assert_eq!(by_bearer.fault(), "bearer_refused");
    let name = shared_protocol::RelayName::parse("mini").expect("a name");
    assert!(app.store.allow_bearer(&name).await.expect("a store"));
    let by_bearer = mini.post_bearer(MESSAGE_ROUTE, &message("allowed")).await;
    assert_eq!(by_bearer.status, 200, "{}", by_bearer.text());
    mini.post("msg_second", &message("signed again")).await;
    let by_bearer = mini.post_bearer(MESSAGE_ROUTE, &message("too late")).await;
    assert_eq!(by_bearer.fault(), "bearer_refused");
    let relays = app.store.relays().await.expect("a store");
    assert!(
        relays
            .iter()
            .any(|relay| relay.name == "mini" && relay.has_signed)
    );
}
