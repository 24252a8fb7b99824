//! Lifetimes of sessions: their start, their expiry, and how use extends them.

use std::time::Duration;

use http::Method;
use rstest::rstest;
use serde_json::json;
use uuid::Uuid;

use super::support::{ADA, BOB, Issuer, Pair, Person, cookie_of, renewed};
use crate::support::{Engine, Postgres, Sqlite, TestBrowser, TestPhone, code_of};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

async fn remembered_phone(pair: &Pair, phone: &str) -> TestPhone {
    let app = pair.first();
    app.post_json("/auth/verify/start", &json!({ "phone": phone }))
        .await;
    let body = json!({ "phone": phone, "code": code_of(phone), "remember_me": true });
    TestPhone::of(phone, &app.post_json("/auth/verify/confirm", &body).await)
}

async fn remembered_browser(pair: &Pair, phone: &str) -> TestBrowser {
    let mut browser = TestBrowser::new();
    browser.get(pair.first(), "/auth/csrf-token").await;
    let start = json!({ "phone": phone });
    let started = browser
        .post(pair.first(), "/auth/verify/start", &start)
        .await;
    let body = json!({
        "phone": phone,
        "code": code_of(phone),
        "challenge_id": started.json()["challenge_id"],
        "remember_me": true,
    });
    let confirmed = browser
        .post(pair.first(), "/auth/verify/confirm", &body)
        .await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    browser
}

#[rstest]
#[tokio::test]
async fn every_sign_in_opens_a_new_session_and_the_list_marks_the_current_one(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let pair = Pair::of(engine, issuer).await;
    let mut ids: Vec<Uuid> = Vec::new();
    for _ in 0..3 {
        let phone = pair.first().signed_in(ADA).await;
        ids.push(phone.session_id(pair.second()).await);
        let browser = pair.first().browser_of(ADA).await;
        ids.push(browser.session_id(pair.second()).await);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let phone = pair.first().signed_in(ADA).await;
    let list = phone.get(pair.second(), "/auth/sessions").await.json();
    assert_eq!(list["sessions"].as_array().map(Vec::len), Some(7));
    let current = list["sessions"].as_array().expect("a list").iter();
    assert_eq!(
        current.filter(|session| session["current"] == true).count(),
        1
    );
}

#[rstest]
#[tokio::test]
async fn a_second_sign_in_of_a_browser_ends_its_first_session_everywhere(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let mut browser = pair.first().browser_of(ADA).await;
    let before = browser.clone();
    let old = before.session_id(pair.first()).await;
    assert!(before.is_signed_in(pair.second()).await);
    // Another person signs in with the same browser.
    let confirmed = browser.sign_in(pair.first(), BOB).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.text());
    assert_ne!(browser.session_id(pair.first()).await, old);
    assert_ne!(cookie_of(&browser), cookie_of(&before));
    assert!(
        !before.is_signed_in(pair.first()).await,
        "at once on the replica of the sign-in"
    );
    pair.advance(Duration::from_millis(900));
    assert!(
        !before.is_signed_in(pair.second()).await,
        "within a second on the other replica"
    );
    assert_eq!(pair.end_reason(old).await.as_deref(), Some("replaced"));
    pair.do_jobs().await;
    assert_eq!(pair.sessions_at_provider(ADA), 0, "{}", pair.kind());
    assert_eq!(pair.sessions_at_provider(BOB), 1, "{}", pair.kind());
}

#[rstest]
#[tokio::test]
async fn an_unused_session_ends_after_a_day_and_a_remembered_one_after_thirty(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let almost_a_day = Duration::from_mins(24 * 60 - 1);
    let pair = Pair::local(engine).await;
    let browser = pair.first().browser_of(ADA).await;
    let phone = pair.first().signed_in(ADA).await;
    let remembered = remembered_browser(&pair, ADA).await;
    let remembered_phone = remembered_phone(&pair, ADA).await;
    pair.advance(almost_a_day);
    assert!(browser.is_signed_in(pair.first()).await);
    pair.advance(almost_a_day);
    assert!(
        browser.is_signed_in(pair.second()).await,
        "the earlier use extended the session"
    );
    assert_eq!(phone.refresh(pair.first()).await.status, 401);
    pair.advance(DAY);
    assert!(
        !browser.is_signed_in(pair.second()).await,
        "{}",
        pair.kind()
    );
    pair.advance(DAY * 26);
    assert!(remembered.is_signed_in(pair.first()).await);
    let phone = renewed(
        &remembered_phone,
        &remembered_phone.refresh(pair.first()).await,
    );
    pair.advance(DAY * 30);
    assert!(
        !remembered.is_signed_in(pair.first()).await,
        "{}",
        pair.kind()
    );
    assert_eq!(phone.refresh(pair.first()).await.status, 401);
}

#[rstest]
#[tokio::test]
async fn a_session_in_constant_use_ends_after_7_days_and_a_remembered_one_after_120(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    let browser = pair.first().browser_of(ADA).await;
    let mut phone = remembered_phone(&pair, ADA).await;
    for _ in 0..(7 * 2) - 1 {
        pair.advance(HOUR * 12);
        assert!(browser.is_signed_in(pair.first()).await);
    }
    pair.advance(HOUR * 12);
    assert!(!browser.is_signed_in(pair.first()).await, "{}", pair.kind());
    pair.advance(DAY * 3);
    for _ in 0..10 {
        phone = renewed(&phone, &phone.refresh(pair.first()).await);
        assert!(phone.is_signed_in(pair.second()).await);
        pair.advance(DAY * 10);
    }
    let last = phone.refresh(pair.second()).await;
    let last = renewed(&phone, &last);
    pair.advance(DAY * 10);
    assert_eq!(last.refresh(pair.second()).await.status, 401);
    assert!(!last.is_signed_in(pair.first()).await, "{}", pair.kind());
}

#[rstest]
#[tokio::test]
async fn use_of_a_session_is_stored_every_five_minutes_and_never_shortens_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const IDLE: &str = "select count(distinct idle_expires_at) from sessions";
    let pair = Pair::local(engine).await;
    let browser = pair.first().browser_of(ADA).await;
    let id = browser.session_id(pair.first()).await;
    let session = async || {
        let now = pair.first().clock.now();
        let found = pair.base.store.session(id, now).await.expect("a store");
        found.expect("a session")
    };
    let first = session().await;
    for _ in 0..4 {
        pair.advance(Duration::from_mins(1));
        assert!(browser.is_signed_in(pair.first()).await);
    }
    assert_eq!(session().await.idle_expires_at, first.idle_expires_at);
    pair.advance(Duration::from_mins(1));
    assert!(browser.is_signed_in(pair.first()).await);
    let later = session().await;
    assert_eq!(
        later.idle_expires_at,
        first.idle_expires_at.plus(Duration::from_mins(5))
    );
    // The times of a delayed request and of a replica with a slow clock lie before the stored ones.
    let store = &pair.base.store;
    let before = first.last_seen_at.plus(Duration::from_secs(1));
    store
        .touch_session(id, before.plus(DAY), before)
        .await
        .expect("a store");
    assert_eq!(session().await.idle_expires_at, later.idle_expires_at);
    let next = archety_backend::store::sessions::NextToken {
        counter: 2,
        digest: [2; 32],
        key_id: "0123".to_owned(),
    };
    let rotated = store.rotate_token(id, &next, before.plus(DAY), before);
    assert!(rotated.await.expect("a store"));
    let kept = session().await;
    assert_eq!(kept.idle_expires_at, later.idle_expires_at);
    assert_eq!(kept.last_seen_at, later.last_seen_at);
    assert_eq!(pair.base.number(IDLE).await, 1);
}

#[rstest]
#[tokio::test]
async fn an_expired_session_is_refused_except_when_a_browser_logs_out(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::local(engine).await;
    let browser = pair.first().browser_of(ADA).await;
    let phone = pair.first().signed_in(ADA).await;
    pair.advance(DAY * 8);
    for (method, path) in [
        (Method::GET, "/auth/sessions"),
        (Method::POST, "/auth/logout"),
        (Method::POST, "/auth/refresh"),
    ] {
        let answer = browser.peek(pair.first(), method.clone(), path, None).await;
        // A browser's log-out succeeds, because the session has ended already.
        let expected = if path == "/auth/logout" { 204 } else { 401 };
        assert_eq!(answer.status, expected, "{path}: {}", answer.text());
        if path != "/auth/refresh" {
            let answer = phone.call(pair.first(), method, path, None).await;
            assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        }
    }
}
