//! Everything that people and programs send by mistake or on purpose.

use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, apps, sqlite_app};
use archety_backend::config::RelayAuth;

async fn start(app: &TestApp, phone: &str) -> (u16, String) {
    let answer = app
        .post_json("/auth/verify/start", &json!({ "phone": phone }))
        .await;
    let code = match answer.status.as_u16() {
        200 => "ok".to_owned(),
        _ => answer.fault(),
    };
    (answer.status.as_u16(), code)
}

#[tokio::test]
async fn a_number_of_any_wrong_shape_is_named_as_such() {
    let app = sqlite_app(RelayAuth::Both).await;
    let long = "+1".to_owned() + &"5".repeat(60_000);
    for phone in [
        "",
        "5551234567",
        "15551234567",
        "+1555123456",
        "+155512345678",
        "+1555123456７",
        "56249(smsfp)",
        "ada@example.com",
        "+15551234567;ext=5",
        "tel:+15551234567",
        "+1\u{0}5551234567",
        "'; drop table users; --",
        &long,
    ] {
        let (status, code) = start(&app, phone).await;
        let shown: String = phone.chars().take(30).collect();
        assert_eq!((status, code.as_str()), (422, "invalid_phone"), "{shown:?}");
    }
    assert_eq!(start(&app, " +1 (555) 123-4567 ").await.0, 200);
}

/// Codes that are pumped to such numbers cost money, and no person waits for them.
#[tokio::test]
async fn a_number_of_another_region_or_kind_is_told_apart_from_a_wrong_one() {
    for app in apps().await {
        for phone in [
            "+4915112345678",
            "+12684641234",
            "+18768101234",
            "+19002345678",
            "+18002345678",
        ] {
            let (status, code) = start(&app, phone).await;
            assert_eq!(
                (status, code.as_str()),
                (422, "phone_not_served"),
                "{phone}"
            );
        }
        let body = json!({ "phone": "+15551234567", "channel": "call" });
        let answer = app.post_json("/auth/verify/start", &body).await;
        assert_eq!(
            answer.status, 422,
            "only messages unless more is configured"
        );
        assert_eq!(answer.json()["violations"][0]["field"], "channel");
    }
}

#[tokio::test]
async fn a_code_is_read_with_spaces_and_not_in_other_digits() {
    for app in apps().await {
        let begun = start(&app, "+15551234567").await;
        assert_eq!(begun.0, 200);
        for (code, status, fault) in [
            ("１２３４５６", 422, "invalid_fields"),
            ("12345a", 422, "invalid_fields"),
            ("", 422, "invalid_fields"),
            ("12345678901", 422, "invalid_fields"),
            ("654321", 422, "wrong_code"),
        ] {
            let body = json!({ "phone": "+15551234567", "code": code });
            let answer = app.post_json("/auth/verify/confirm", &body).await;
            assert_eq!(answer.status, status, "{code}: {}", answer.text());
            assert_eq!(answer.fault(), fault, "{code}");
            if fault == "wrong_code" {
                // Who tells no challenge has three.
                assert_eq!(answer.json()["attempts_left"], 2);
            }
        }
        let body = json!({ "phone": "+15551234567", "code": " 123 456 " });
        let answer = app.post_json("/auth/verify/confirm", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[tokio::test]
async fn bodies_that_are_none_are_told_why() {
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
        let told = answer.json();
        assert_eq!(told["violations"][0]["field"], field, "{told}");
    }
    let headers = [("content-type", "text/plain")];
    let answer = app
        .call(Method::POST, "/auth/verify/start", &headers, None)
        .await;
    assert_eq!(answer.fault(), "unsupported_media_type");
}

#[tokio::test]
async fn a_token_of_any_wrong_shape_is_nobodys() {
    for app in apps().await {
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
        assert_eq!(answer.status, 401, "two tokens are none");
    }
}

#[tokio::test]
async fn known_and_unknown_numbers_are_answered_alike() {
    for app in apps().await {
        app.signed_in("+15550100001").await;
        // Beyond the code that was just used, so that both begin afresh.
        app.clock.advance(std::time::Duration::from_hours(2));
        let mut shapes = Vec::new();
        for phone in ["+15550100001", "+15550100002"] {
            let answer = app
                .post_json("/auth/verify/start", &json!({ "phone": phone }))
                .await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let mut body = answer.json();
            body["challenge_id"] = Value::Null;
            let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
            shapes.push((body, names));
        }
        assert_eq!(shapes[0], shapes[1]);
    }
}

#[tokio::test]
async fn a_store_that_is_gone_is_503_and_nothing_is_half_done() {
    for app in apps().await {
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
}
