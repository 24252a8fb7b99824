//! What a client that was here before gets: more tries than strangers, the same session after another code,
//! and the same answer to a confirmation that it sends twice.

use std::time::Duration;

use http::Method;
use http::header::{AUTHORIZATION, SET_COOKIE};
use serde_json::{Value, json};

use crate::support::{Answered, TestApp, TestBrowser, TestPhone, apps};

const ADA: &str = "+15550100001";
const CONFIRM: &str = "/auth/verify/confirm";

async fn started(app: &TestApp, headers: &[(&str, &str)]) -> Value {
    let ask = json!({ "phone": ADA });
    let answer = app
        .call(Method::POST, "/auth/verify/start", headers, Some(&ask))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["challenge_id"].clone()
}

fn confirm(challenge: &Value, code: &str) -> Value {
    json!({ "phone": ADA, "code": code, "challenge_id": challenge })
}

/// Two starts and ten wrong codes: what a stranger does to somebody's number.
async fn ten_wrong_codes(app: &TestApp) {
    for _ in 0..2 {
        let challenge = started(app, &[]).await;
        for _ in 0..5 {
            let wrong = app.post_json(CONFIRM, &confirm(&challenge, "000000")).await;
            assert_eq!(
                (wrong.status.as_u16(), wrong.fault().as_str()),
                (422, "wrong_code")
            );
        }
    }
}

#[tokio::test]
async fn an_app_that_was_here_before_gets_in_though_strangers_used_up_their_tries() {
    for app in apps().await {
        let first = started(&app, &[]).await;
        let first = app.post_json(CONFIRM, &confirm(&first, "100001")).await;
        let ada = TestPhone::of(ADA, &first);
        let token = first.json()["device_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        let refreshed = ada.refresh(&app).await;
        assert!(
            refreshed.json()["device_token"].is_null(),
            "only when a session begins"
        );
        let challenge = started(&app, &[]).await;
        ten_wrong_codes(&app).await;
        let ask = json!({ "phone": ADA });
        let locked = app.post_json("/auth/verify/start", &ask).await;
        assert_eq!(locked.status, 429, "{}", locked.text());
        let right = confirm(&challenge, "100001");
        let bearer = format!(
            "Bearer {}",
            refreshed.json()["access_token"].as_str().expect("one")
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
        let challenge = started(&app, &known).await;
        let right = confirm(&challenge, "100001");
        let answer = app.call(Method::POST, CONFIRM, &known, Some(&right)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // It lets nobody in by itself, and says nothing about another number.
        let other = json!({ "phone": "+15550100002", "code": "100001" });
        let answer = app.call(Method::POST, CONFIRM, &known, Some(&other)).await;
        assert_eq!(answer.fault(), "code_expired");
    }
}

async fn sessions_of(app: &TestApp, phone: &TestPhone) -> usize {
    let listed = phone.get(app, "/auth/sessions").await.json();
    listed["sessions"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_code_that_is_confirmed_in_a_session_keeps_that_session() {
    for app in apps().await {
        let ada = app.signed_in(ADA).await;
        let bearer = format!("Bearer {}", ada.access_token);
        let headers = [(AUTHORIZATION.as_str(), bearer.as_str())];
        // Without a word about step-up.
        let challenge = started(&app, &headers).await;
        let body = confirm(&challenge, "100001");
        let answer = app.call(Method::POST, CONFIRM, &headers, Some(&body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json()["access_token"].is_null());
        assert!(answer.json()["step_up_until"].is_string());
        assert!(answer.json()["device_token"].is_string());
        assert_eq!(sessions_of(&app, &ada).await, 1);
    }
}

/// A browser that has asked for a code, and its challenge.
async fn asking(app: &TestApp) -> (TestBrowser, Value) {
    let mut browser = TestBrowser::new();
    browser.get(app, "/auth/csrf-token").await;
    let ask = json!({ "phone": ADA });
    let started = browser.post(app, "/auth/verify/start", &ask).await.json();
    (browser, started["challenge_id"].clone())
}

async fn remembered(app: &TestApp) -> TestBrowser {
    let (mut browser, challenge) = asking(app).await;
    let mut body = confirm(&challenge, "100001");
    body["remember_me"] = true.into();
    let confirmed = browser.post(app, CONFIRM, &body).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    browser
}

#[tokio::test]
async fn a_browsers_long_session_stays_long() {
    for app in apps().await {
        let mut browser = remembered(&app).await;
        let before = browser.get(&app, "/auth/session").await.json();
        let cookie = browser.cookies["archety_dev"].clone();
        for purpose in ["sign_in", "step_up"] {
            app.clock.advance(Duration::from_mins(20));
            let ask = json!({ "phone": ADA, "purpose": purpose });
            let started = browser.post(&app, "/auth/verify/start", &ask).await.json();
            let body = confirm(&started["challenge_id"], "100001");
            let answer = browser.post(&app, CONFIRM, &body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.json()["csrf_token"].is_string());
            assert_eq!(browser.cookies["archety_dev"], cookie, "{purpose}");
            let after = browser.get(&app, "/auth/session").await.json();
            assert!(after["step_up_until"].as_str() > before["step_up_until"].as_str());
            assert!(after["expires_at"].as_str() >= before["expires_at"].as_str());
        }
    }
}

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

#[tokio::test]
async fn a_double_click_on_confirm_gets_one_answer_twice() {
    for app in apps().await {
        let (browser, challenge) = asking(&app).await;
        let body = confirm(&challenge, "100001");
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
        // Another code, another browser, an app: no.
        let wrong = confirm(&challenge, "000000");
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
        assert_eq!(click().await.fault(), "code_expired", "ten seconds");
    }
}

#[tokio::test]
async fn a_repeated_confirmation_brings_no_session_back() {
    for app in apps().await {
        let (mut browser, challenge) = asking(&app).await;
        let body = confirm(&challenge, "100001");
        let before = browser.clone();
        assert_eq!(browser.post(&app, CONFIRM, &body).await.status, 200);
        let out = browser
            .post(&app, "/auth/logout", &json!({ "scope": "local" }))
            .await;
        assert!(out.status.is_success(), "{}", out.text());
        let again = before.peek(&app, Method::POST, CONFIRM, Some(&body)).await;
        assert_eq!(again.fault(), "code_expired", "{}", again.text());
    }
}
