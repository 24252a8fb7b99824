//! `POST /auth/verify/start`.

use archety_backend::config::RelayAuth;
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::start;
use crate::support::{Engine, Postgres, Sqlite, TestApp, sqlite_app};

#[tokio::test]
async fn a_malformed_number_answers_invalid_phone_and_punctuation_is_accepted() {
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

/// Codes to such numbers are expensive, so attackers request them to cost the sender money.
#[rstest]
#[tokio::test]
async fn a_number_of_another_region_or_kind_and_a_code_by_call_are_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
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
    assert_eq!(answer.status, 422, "calls are not configured");
    assert_eq!(answer.json()["violations"][0]["field"], "channel");
}

#[rstest]
#[tokio::test]
async fn known_and_unknown_numbers_get_the_same_answer(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    app.signed_in("+15550100001").await;
    // Two hours later, the code of the sign-in no longer counts for the first number's limits.
    app.clock.advance(std::time::Duration::from_hours(2));
    let mut answers = Vec::new();
    for phone in ["+15550100001", "+15550100002"] {
        let answer = app
            .post_json("/auth/verify/start", &json!({ "phone": phone }))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut body = answer.json();
        body["challenge_id"] = Value::Null;
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        answers.push((body, names));
    }
    assert_eq!(answers[0], answers[1]);
}

#[rstest]
#[tokio::test]
async fn a_step_up_code_is_sent_only_in_a_session_of_that_number(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let ask = json!({ "phone": "+15550100001", "purpose": "step_up" });
    let answer = app.post_json("/auth/verify/start", &ask).await;
    assert_eq!(answer.status, 401);
    let eve = app.signed_in("+15550100002").await;
    let answer = eve
        .call(&app, Method::POST, "/auth/verify/start", Some(&ask))
        .await;
    assert_eq!(answer.status, 422, "{}", answer.text());
}
