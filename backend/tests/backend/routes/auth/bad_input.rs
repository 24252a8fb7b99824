//! Invalid bodies and tokens at several routes of `/auth`, and requests after the store is closed.

use archety_backend::config::RelayAuth;
use http::Method;
use rstest::rstest;
use serde_json::json;

use super::start;
use crate::support::{Engine, Postgres, Sqlite, TestApp, sqlite_app};

#[tokio::test]
async fn an_invalid_body_is_refused_with_its_reason_or_field() {
    let app = sqlite_app(RelayAuth::Both).await;
    let megabyte = json!({ "phone": "+15551234567", "x": "y".repeat(1024 * 1024) });
    let answer = app.post_json("/auth/verify/start", &megabyte).await;
    assert_eq!(
        (answer.status.as_u16(), answer.fault().as_str()),
        (413, "body_too_large")
    );
    for (path, body, field) in [
        ("/auth/verify/start", json!({}), "phone"),
        (
            "/auth/verify/start",
            json!({ "phone": 15_551_234_567_i64 }),
            "phone",
        ),
        ("/auth/verify/start", json!({ "phone": null }), "phone"),
        (
            "/auth/verify/start",
            json!({ "phone": "+15551234567", "channel": "pigeon" }),
            "channel",
        ),
        (
            "/auth/verify/confirm",
            json!({ "phone": "+15551234567" }),
            "code",
        ),
        (
            "/auth/verify/confirm",
            json!({ "phone": "+15551234567", "code": "123456", "challenge_id": "x" }),
            "challenge_id",
        ),
        (
            "/auth/verify/confirm",
            json!({ "phone": "+15551234567", "code": "123456", "name": "a\u{0}b" }),
            "name",
        ),
        (
            "/auth/verify/confirm",
            json!({ "phone": "+15551234567", "code": "123456", "name": "x".repeat(256) }),
            "name",
        ),
        ("/auth/refresh", json!({}), "refresh_token"),
        ("/auth/refresh", json!("x"), "(body)"),
    ] {
        let answer = app.post_json(path, &body).await;
        assert_eq!(answer.status, 422, "{path} {body}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["violations"][0]["field"], field, "{problem}");
    }
    let headers = [("content-type", "text/plain")];
    let answer = app
        .call(Method::POST, "/auth/verify/start", &headers, None)
        .await;
    assert_eq!(answer.fault(), "unsupported_media_type");
}

#[rstest]
#[tokio::test]
async fn a_malformed_or_repeated_token_is_not_accepted(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let huge = "a".repeat(100_000);
    let none_alg = "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.";
    for token in ["", "a.b.c", none_alg, &huge, "rt_AAAA", "null", "undefined"] {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let answer = app
            .call(Method::GET, "/auth/sessions", &headers, None)
            .await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.fault(), "unauthorized");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let answer = app.call(Method::GET, "/auth/session", &headers, None).await;
        assert_eq!(answer.json(), json!({ "authenticated": false }));
    }
    let phone = app.signed_in("+15550100001").await;
    let bearer = format!("Bearer {}", phone.access_token);
    let twice = [("authorization", bearer.as_str()); 2];
    let answer = app.call(Method::GET, "/auth/sessions", &twice, None).await;
    assert_eq!(answer.status, 401, "a repeated header is refused");
}

#[rstest]
#[tokio::test]
async fn after_the_store_is_closed_routes_of_auth_answer_503_with_retry_after(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let phone = app.signed_in("+15550100001").await;
    app.clock.advance(std::time::Duration::from_secs(2));
    app.store.close().await;
    let started = start(&app, "+15550100002").await;
    assert_eq!(started.0, 503, "{started:?}");
    let body = json!({ "phone": "+15550100001", "code": "100001" });
    for answer in [
        app.post_json("/auth/verify/confirm", &body).await,
        phone.refresh(&app).await,
        phone.get(&app, "/auth/sessions").await,
    ] {
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
        assert!(!answer.text().contains("sqlx"), "{}", answer.text());
    }
}
