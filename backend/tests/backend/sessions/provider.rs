//! The answers of the provider that end a session, and those that do not.

use std::time::Duration;

use archety_backend::store::Store;
use http::StatusCode;
use rstest::rstest;
use serde_json::json;
use supabase_stand_in::{Answer, Fault, RefreshTokens, Settings, faults};

use super::support::{ADA, EXPIRED, NEARLY_EXPIRED, Pair, Person, REFRESH, renewed, until};
use crate::support::{Engine, Postgres, Sqlite};

fn refusal(code: &str) -> Fault {
    let body = json!({ "code": 400, "error_code": code, "msg": "no" });
    Fault::json(400, &body)
}

#[rstest]
#[tokio::test]
async fn five_answers_end_a_session_and_store_their_reason(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let endings = [
        ("refresh_token_already_used", "already_used"),
        ("refresh_token_not_found", "not_found"),
        ("session_not_found", "session_not_found"),
        ("session_expired", "session_expired"),
        ("user_banned", "user_banned"),
    ];
    let pair = Pair::supabase(engine).await;
    for (code, reason) in endings {
        let browser = pair.first().browser_of(ADA).await;
        let phone = pair.first().signed_in(ADA).await;
        let ids = [
            browser.session_id(pair.first()).await,
            phone.session_id(pair.first()).await,
        ];
        pair.advance(NEARLY_EXPIRED);
        pair.provider().faults().times(2, REFRESH, refusal(code));
        assert!(!browser.is_signed_in(pair.first()).await, "{code}");
        assert_eq!(phone.refresh(pair.first()).await.status, 401, "{code}");
        for id in ids {
            assert_eq!(pair.end_reason(id).await.as_deref(), Some(reason));
        }
        assert!(!browser.is_signed_in(pair.second()).await);
        assert!(!phone.is_signed_in(pair.second()).await);
        let user = phone.user_id.parse().expect("an id");
        let events = pair.base.store.events_of(user, 2).await.expect("events");
        for event in events {
            assert_eq!(event.kind, "refresh");
            assert_eq!(event.outcome, reason);
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_refresh_ends_the_session_if_the_project_ended_it_or_banned_its_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for settings in [
        Settings::default(),
        Settings {
            refresh_tokens: RefreshTokens::V2,
            ..Settings::default()
        },
    ] {
        let pair = Pair::supabase_with(engine, &settings).await;
        let phone = pair.first().signed_in(ADA).await;
        let id = phone.session_id(pair.first()).await;
        let person = pair.provider().person_by_phone(ADA).expect("an account");
        pair.provider().end_sessions(person.id);
        pair.advance(NEARLY_EXPIRED);
        assert_eq!(phone.refresh(pair.first()).await.status, 401);
        assert_eq!(pair.end_reason(id).await.as_deref(), Some("not_found"));
        let phone = pair.first().signed_in(ADA).await;
        let id = phone.session_id(pair.first()).await;
        pair.provider().ban(person.id, Duration::from_hours(2));
        pair.advance(NEARLY_EXPIRED);
        assert_eq!(phone.refresh(pair.second()).await.status, 401);
        assert_eq!(pair.end_reason(id).await.as_deref(), Some("user_banned"));
    }
}

#[rstest]
#[tokio::test]
async fn other_failures_of_the_provider_end_no_session_and_answer_refreshes_of_apps_with_503(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let html = |status| Fault::html(status);
    let json_without_code = |status: u16| {
        let status = StatusCode::from_u16(status).expect("a status");
        Fault::Answer(Answer::json(status, &json!({ "message": "no" })))
    };
    let failures = [
        ("409", faults::conflict()),
        ("429", faults::rate_limited()),
        ("504", faults::timed_out()),
        ("504 after writing", faults::timed_out_after_writing()),
        ("bad key", faults::bad_api_key()),
        ("500 html", html(500)),
        ("502 html", html(502)),
        ("400 html", html(400)),
        ("401 html", html(401)),
        ("404 json", json_without_code(404)),
        ("400 json", json_without_code(400)),
        ("400 unknown code", refusal("validation_failed")),
        ("400 other code", refusal("bad_json")),
        ("403 empty", Fault::empty(403)),
        ("garbage", Fault::garbage()),
        ("redirect", Fault::redirect("http://127.0.0.1:1/token")),
        ("cut off", Fault::Drop),
        ("answer cut off", Fault::DropAfter),
    ];
    let pair = Pair::supabase(engine).await;
    for (what, failure) in &failures {
        let browser = pair.first().browser_of(ADA).await;
        let phone = pair.first().signed_in(ADA).await;
        pair.advance(NEARLY_EXPIRED);
        pair.provider().faults().always(REFRESH, failure.clone());
        for _ in 0..3 {
            assert_sessions_continue(&pair, &browser, &phone, what).await;
            pair.advance(Duration::from_mins(40));
        }
        pair.provider().faults().clear();
        let renewed = renewed(&phone, &phone.refresh(pair.second()).await);
        assert!(renewed.is_signed_in(pair.first()).await, "{what}");
        assert!(browser.is_signed_in(pair.second()).await, "{what}");
        pair.advance(EXPIRED);
    }
}

/// On both replicas, the browser stays signed in and a refresh of the app answers 503.
async fn assert_sessions_continue(
    pair: &Pair,
    browser: &crate::support::TestBrowser,
    phone: &crate::support::TestPhone,
    what: &str,
) {
    for app in &pair.replicas {
        assert!(browser.is_signed_in(app).await, "{what} on {}", pair.kind());
        let refused = phone.refresh(app).await;
        assert_eq!(refused.status, 503, "{what}: {}", refused.text());
        assert_eq!(refused.fault(), "provider_unavailable");
        let wait = refused.header("retry-after").expect("a wait");
        let secs: u64 = wait.parse().expect("seconds");
        assert!((1..=60).contains(&secs), "{what}: {secs}");
    }
}

#[rstest]
#[tokio::test]
async fn a_refusal_of_tokens_that_another_replica_has_replaced_ends_no_session(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let id = phone.session_id(pair.first()).await;
    pair.advance(EXPIRED);
    // The first replica takes the lease and then hangs. After the lease, the second replica refreshes. Then the
    // first replica learns that its tokens were used already.
    let store = &pair.base.store;
    let now = pair.first().clock.now();
    assert!(store.lease_upstream(id, 1, now).await.expect("a lease"));
    pair.advance(Duration::from_secs(21));
    let renewed = renewed(&phone, &phone.refresh(pair.second()).await);
    let now = pair.first().clock.now();
    let ended = store.end_if_unchanged(id, 1, "already_used", now).await;
    assert!(!ended.expect("a store"), "{}", pair.kind());
    assert_eq!(pair.end_reason(id).await, None);
    assert!(renewed.is_signed_in(pair.first()).await);
    let refreshed = renewed.refresh(pair.first()).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_a_request_waited_for_still_outlasts_the_request_to_the_provider(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let id = phone.session_id(pair.first()).await;
    pair.advance(EXPIRED);
    let store = &pair.base.store;
    let now = pair.first().clock.now();
    assert!(store.lease_upstream(id, 1, now).await.expect("a lease"));
    let waiting = {
        let (phone, app) = (phone.clone(), pair.first().clone());
        tokio::spawn(async move { phone.refresh(&app).await })
    };
    let hang = Fault::Hang(Duration::from_secs(30));
    pair.provider().faults().next(REFRESH, hang);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(pair.request_count(REFRESH), 0, "{}", pair.kind());
    store.release_upstream(id, 1).await.expect("a store");
    until(|| pair.request_count(REFRESH) == 1).await;
    // The clock of the test stands still. The lease began at least one second after the request.
    let other = now.plus(Store::UPSTREAM_LEASE + Duration::from_secs(1));
    let taken = store.lease_upstream(id, 1, other).await;
    assert!(!taken.expect("a store"), "{}", pair.kind());
    waiting.abort();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_late_refusal_of_replaced_tokens_by_a_project_without_rotation_ends_no_session(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let settings = Settings {
        rotation: false,
        ..Settings::default()
    };
    let pair = Pair::supabase_with(engine, &settings).await;
    let phone = pair.first().signed_in(ADA).await;
    let id = phone.session_id(pair.first()).await;
    pair.advance(EXPIRED);
    let delayed = Fault::Hang(Duration::from_millis(1_500));
    pair.provider().faults().next(REFRESH, delayed);
    let late = {
        let (phone, app) = (phone.clone(), pair.first().clone());
        tokio::spawn(async move { phone.refresh(&app).await })
    };
    until(|| pair.request_count(REFRESH) == 1).await;
    // The lease of the first replica expires. The second replica refreshes twice, so that the provider refuses the
    // first token.
    pair.advance(Duration::from_secs(21));
    let mut renewed_twice = renewed(&phone, &phone.refresh(pair.second()).await);
    pair.advance(EXPIRED);
    renewed_twice = renewed(&renewed_twice, &renewed_twice.refresh(pair.second()).await);
    let late = late.await.expect("no panic");
    let refused = pair.provider().requests().matching(REFRESH)[0].status;
    assert_eq!(refused, Some(400), "{}", pair.kind());
    assert_eq!(pair.end_reason(id).await, None, "{}", pair.kind());
    // Whether the client's own old token still works by then is not decided here.
    assert_ne!(late.status, 500, "{}", late.text());
    assert!(renewed_twice.is_signed_in(pair.first()).await);
    pair.advance(EXPIRED);
    assert_eq!(renewed_twice.refresh(pair.first()).await.status, 200);
}
