//! `POST /auth/verify/confirm`: a code opens a session, or gives a step-up to the session that confirms it.

use std::time::Duration;

use http::Method;
use http::header::{AUTHORIZATION, SET_COOKIE};
use rstest::rstest;
use serde_json::{Value, json};

use super::start;
use crate::support::{Answered, Engine, Postgres, Sqlite, TestApp, TestBrowser, TestPhone};

const ADA: &str = "+15550100001";
const CONFIRM: &str = "/auth/verify/confirm";

#[rstest]
#[tokio::test]
async fn an_app_signs_in_with_a_number_and_its_code(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let start = json!({ "phone": "+15551234567" });
    let started = app.post_json("/auth/verify/start", &start).await;
    assert_eq!(started.status, 200, "{}", started.text());
    let body = started.json();
    assert_eq!(body["code_length"], 6);
    assert!(body["challenge_id"].is_string() && body["expires_in"].as_u64() > Some(60));
    let confirm = json!({ "phone": "+15551234567", "code": "123456", "name": "Test User" });
    let confirmed = app.post_json("/auth/verify/confirm", &confirm).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    let body = confirmed.json();
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 3600);
    assert!(confirmed.header("set-cookie").is_none());
    assert_eq!(confirmed.header("cache-control"), Some("no-store"));
    let bearer = format!("Bearer {}", body["access_token"].as_str().expect("a token"));
    let session = app
        .call(
            Method::GET,
            "/auth/session",
            &[("authorization", &bearer)],
            None,
        )
        .await
        .json();
    assert_eq!(session["authenticated"], true);
    assert_eq!(session["user_id"], body["user_id"]);
    assert_eq!(session["phone"], "+15551234567");
}

#[rstest]
#[tokio::test]
async fn a_browser_signs_in_and_gets_only_a_csrf_token_in_the_body(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut browser = TestBrowser::new();
    let confirmed = browser.sign_in(&app, "+15550100001").await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    let body = confirmed.json();
    assert!(
        body["access_token"].is_null() && body["refresh_token"].is_null(),
        "{body}"
    );
    assert!(body["csrf_token"].is_string());
    let session = browser.get(&app, "/auth/session").await.json();
    assert_eq!(session["authenticated"], true, "{session}");
    assert_eq!(session["user_id"], body["user_id"]);
}

#[rstest]
#[tokio::test]
async fn a_code_may_contain_spaces_beside_ascii_digits_and_nothing_else(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
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
            // A client without a challenge id may try three codes.
            assert_eq!(answer.json()["attempts_left"], 2);
        }
    }
    let body = json!({ "phone": "+15551234567", "code": " 123 456 " });
    let answer = app.post_json("/auth/verify/confirm", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn step_up_until(app: &TestApp, phone: &TestPhone) -> Option<String> {
    let session = phone.get(app, "/auth/session").await.json();
    session["step_up_until"].as_str().map(str::to_owned)
}

#[rstest]
#[tokio::test]
async fn a_step_up_has_ended_after_eleven_minutes_and_only_its_own_session_renews_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let ada = app.signed_in("+15550100001").await;
    assert!(
        step_up_until(&app, &ada).await.is_some(),
        "the code that opens a session is a step-up"
    );
    app.clock.advance(Duration::from_mins(11));
    assert_eq!(step_up_until(&app, &ada).await, None);
    let ask = json!({ "phone": "+15550100001", "purpose": "step_up" });
    let started = ada
        .call(&app, Method::POST, "/auth/verify/start", Some(&ask))
        .await;
    assert_eq!(started.status, 200, "{}", started.text());
    let confirm = json!({
        "phone": "+15550100001",
        "code": "100001",
        "challenge_id": started.json()["challenge_id"],
    });
    // Neither another person's session nor a sign-in can confirm this code.
    let eve = app.signed_in("+15550100002").await;
    let answer = eve
        .call(&app, Method::POST, "/auth/verify/confirm", Some(&confirm))
        .await;
    assert_eq!(answer.fault(), "code_expired", "{}", answer.text());
    let answer = app.post_json("/auth/verify/confirm", &confirm).await;
    assert_eq!(answer.fault(), "code_expired", "{}", answer.text());
    let confirmed = ada
        .call(&app, Method::POST, "/auth/verify/confirm", Some(&confirm))
        .await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    assert!(
        confirmed.json()["access_token"].is_null(),
        "no session is opened"
    );
    assert!(step_up_until(&app, &ada).await.is_some());
    let again = ada
        .call(&app, Method::POST, "/auth/verify/confirm", Some(&confirm))
        .await;
    assert_eq!(again.fault(), "code_expired", "a code works once");
}

/// Asks for a code for Ada and returns the challenge id.
async fn start_for_ada(app: &TestApp, headers: &[(&str, &str)]) -> Value {
    let ask = json!({ "phone": ADA });
    let answer = app
        .call(Method::POST, "/auth/verify/start", headers, Some(&ask))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["challenge_id"].clone()
}

/// The body of a confirmation for Ada's number.
fn confirmation(challenge: &Value, code: &str) -> Value {
    json!({ "phone": ADA, "code": code, "challenge_id": challenge })
}

/// Uses up the wrong codes that strangers may try for a number: two starts with five each.
async fn use_up_attempts(app: &TestApp) {
    for _ in 0..2 {
        let challenge = start_for_ada(app, &[]).await;
        for _ in 0..5 {
            let wrong = app
                .post_json(CONFIRM, &confirmation(&challenge, "000000"))
                .await;
            assert_eq!(
                (wrong.status.as_u16(), wrong.fault().as_str()),
                (422, "wrong_code")
            );
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_device_token_or_a_session_confirms_a_code_after_strangers_used_up_the_attempts(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let first = start_for_ada(&app, &[]).await;
    let first = app
        .post_json(CONFIRM, &confirmation(&first, "100001"))
        .await;
    let ada = TestPhone::of(ADA, &first);
    let token = first.json()["device_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let refreshed = ada.refresh(&app).await;
    assert!(
        refreshed.json()["device_token"].is_null(),
        "a device token comes only with a new session"
    );
    let challenge = start_for_ada(&app, &[]).await;
    use_up_attempts(&app).await;
    let ask = json!({ "phone": ADA });
    let locked = app.post_json("/auth/verify/start", &ask).await;
    assert_eq!(locked.status, 429, "{}", locked.text());
    let right = confirmation(&challenge, "100001");
    let bearer = format!(
        "Bearer {}",
        refreshed.json()["access_token"].as_str().expect("a token")
    );
    for (headers, status) in [
        (&[][..], 429),
        (&[("x-device-token", "AAAA")][..], 429),
        (&[("x-device-token", &token[1..])], 429),
        (&[(AUTHORIZATION.as_str(), bearer.as_str())], 200),
    ] {
        let answer = app.call(Method::POST, CONFIRM, headers, Some(&right)).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let known = [("x-device-token", token.as_str())];
    let challenge = start_for_ada(&app, &known).await;
    let right = confirmation(&challenge, "100001");
    let answer = app.call(Method::POST, CONFIRM, &known, Some(&right)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // A device token does not help with another number, nor does it replace a code.
    let other = json!({ "phone": "+15550100002", "code": "100001" });
    let answer = app.call(Method::POST, CONFIRM, &known, Some(&other)).await;
    assert_eq!(answer.fault(), "code_expired");
}

async fn sessions_of(app: &TestApp, phone: &TestPhone) -> usize {
    let listed = phone.get(app, "/auth/sessions").await.json();
    listed["sessions"].as_array().expect("a list").len()
}

#[rstest]
#[tokio::test]
async fn a_code_confirmed_in_a_session_steps_it_up_and_opens_no_other(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let ada = app.signed_in(ADA).await;
    let bearer = format!("Bearer {}", ada.access_token);
    let headers = [(AUTHORIZATION.as_str(), bearer.as_str())];
    // The code was asked for without the purpose `step_up`.
    let challenge = start_for_ada(&app, &headers).await;
    let body = confirmation(&challenge, "100001");
    let answer = app.call(Method::POST, CONFIRM, &headers, Some(&body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json()["access_token"].is_null());
    assert!(answer.json()["step_up_until"].is_string());
    assert!(answer.json()["device_token"].is_string());
    assert_eq!(sessions_of(&app, &ada).await, 1);
}

/// A browser that has asked for a code, and the id of the challenge.
async fn browser_with_code(app: &TestApp) -> (TestBrowser, Value) {
    let mut browser = TestBrowser::new();
    browser.get(app, "/auth/csrf-token").await;
    let ask = json!({ "phone": ADA });
    let started = browser.post(app, "/auth/verify/start", &ask).await.json();
    (browser, started["challenge_id"].clone())
}

async fn browser_with_remembered_session(app: &TestApp) -> TestBrowser {
    let (mut browser, challenge) = browser_with_code(app).await;
    let mut body = confirmation(&challenge, "100001");
    body["remember_me"] = true.into();
    let confirmed = browser.post(app, CONFIRM, &body).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    browser
}

#[rstest]
#[tokio::test]
async fn a_step_up_keeps_a_browsers_remembered_session_and_its_cookie(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut browser = browser_with_remembered_session(&app).await;
    let before = browser.get(&app, "/auth/session").await.json();
    let cookie = browser.cookies["archety_dev"].clone();
    for purpose in ["sign_in", "step_up"] {
        app.clock.advance(Duration::from_mins(20));
        let ask = json!({ "phone": ADA, "purpose": purpose });
        let started = browser.post(&app, "/auth/verify/start", &ask).await.json();
        let body = confirmation(&started["challenge_id"], "100001");
        let answer = browser.post(&app, CONFIRM, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json()["csrf_token"].is_string());
        assert_eq!(browser.cookies["archety_dev"], cookie, "{purpose}");
        let after = browser.get(&app, "/auth/session").await.json();
        assert!(after["step_up_until"].as_str() > before["step_up_until"].as_str());
        assert!(after["expires_at"].as_str() >= before["expires_at"].as_str());
    }
}

/// The session's cookie in the answer's headers, as `name=value`.
fn session_cookie(answer: &Answered) -> String {
    let cookies = answer.headers.get_all(SET_COOKIE).iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().expect("ASCII"));
    let session = cookies.find(|cookie| cookie.starts_with("archety_dev="));
    let value = session
        .expect("a session")
        .split(';')
        .next()
        .expect("a value");
    value.to_owned()
}

#[rstest]
#[tokio::test]
async fn a_browsers_second_confirmation_within_ten_seconds_gets_the_same_session(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let (browser, challenge) = browser_with_code(&app).await;
    let body = confirmation(&challenge, "100001");
    let before = browser.clone();
    let click = async || before.peek(&app, Method::POST, CONFIRM, Some(&body)).await;
    let (first, second) = tokio::join!(click(), click());
    for answer in [&first, &second] {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(session_cookie(&first), session_cookie(&second));
    assert_eq!(first.json()["user_id"], second.json()["user_id"]);
    app.clock.advance(Duration::from_secs(9));
    assert_eq!(session_cookie(&click().await), session_cookie(&first));
    // Another code, another browser or an app gets no session.
    let wrong = confirmation(&challenge, "000000");
    let answer = before.peek(&app, Method::POST, CONFIRM, Some(&wrong)).await;
    assert_eq!(answer.fault(), "code_expired");
    let mut other = TestBrowser::new();
    other.get(&app, "/auth/csrf-token").await;
    assert_eq!(
        other.post(&app, CONFIRM, &body).await.fault(),
        "code_expired"
    );
    assert_eq!(app.post_json(CONFIRM, &body).await.fault(), "code_expired");
    app.clock.advance(Duration::from_secs(2));
    assert_eq!(
        click().await.fault(),
        "code_expired",
        "after eleven seconds"
    );
}

#[rstest]
#[tokio::test]
async fn a_repeated_confirmation_after_a_log_out_is_refused(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let (mut browser, challenge) = browser_with_code(&app).await;
    let body = confirmation(&challenge, "100001");
    let before = browser.clone();
    assert_eq!(browser.post(&app, CONFIRM, &body).await.status, 200);
    let out = browser
        .post(&app, "/auth/logout", &json!({ "scope": "local" }))
        .await;
    assert!(out.status.is_success(), "{}", out.text());
    let again = before.peek(&app, Method::POST, CONFIRM, Some(&body)).await;
    assert_eq!(again.fault(), "code_expired", "{}", again.text());
}
