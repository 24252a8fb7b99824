//! Which answers of the provider end a session.

use std::time::Duration;

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
        assert!(!browser.is_in(pair.first()).await, "{code}");
        assert_eq!(phone.refresh(pair.first()).await.status, 401, "{code}");
        for id in ids {
            assert_eq!(pair.end_of(id).await.as_deref(), Some(reason));
        }
        assert!(!browser.is_in(pair.second()).await);
        assert!(!phone.is_in(pair.second()).await);
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
async fn a_session_that_the_project_ended_ends_at_the_backend(
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
        assert_eq!(pair.end_of(id).await.as_deref(), Some("not_found"));
        let phone = pair.first().signed_in(ADA).await;
        let id = phone.session_id(pair.first()).await;
        pair.provider().ban(person.id, Duration::from_hours(2));
        pair.advance(NEARLY_EXPIRED);
        assert_eq!(phone.refresh(pair.second()).await.status, 401);
        assert_eq!(pair.end_of(id).await.as_deref(), Some("user_banned"));
    }
}

#[rstest]
#[tokio::test]
async fn other_failures_of_the_provider_end_no_session_even_if_repeated(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let html = |status| Fault::html(status);
    let nothing_known = |status: u16| {
        let status = StatusCode::from_u16(status).expect("a status");
        Fault::Answer(Answer::json(status, &json!({ "message": "no" })))
    };
    let troubles = [
        ("409", faults::conflict()),
        ("429", faults::rate_limited()),
        ("504", faults::timed_out()),
        ("504 after writing", faults::timed_out_after_writing()),
        ("bad key", faults::bad_api_key()),
        ("500 html", html(500)),
        ("502 html", html(502)),
        ("400 html", html(400)),
        ("401 html", html(401)),
        ("404 json", nothing_known(404)),
        ("400 json", nothing_known(400)),
        ("400 unknown code", refusal("validation_failed")),
        ("400 other code", refusal("bad_json")),
        ("403 empty", Fault::empty(403)),
        ("garbage", Fault::garbage()),
        ("redirect", Fault::redirect("http://127.0.0.1:1/token")),
        ("cut off", Fault::Drop),
        ("answer cut off", Fault::DropAfter),
    ];
    let pair = Pair::supabase(engine).await;
    for (what, trouble) in &troubles {
        let browser = pair.first().browser_of(ADA).await;
        let phone = pair.first().signed_in(ADA).await;
        pair.advance(NEARLY_EXPIRED);
        pair.provider().faults().always(REFRESH, trouble.clone());
        for _ in 0..3 {
            stays(&pair, &browser, &phone, what).await;
            pair.advance(Duration::from_mins(40));
        }
        pair.provider().faults().clear();
        let renewed = renewed(&phone, &phone.refresh(pair.second()).await);
        assert!(renewed.is_in(pair.first()).await, "{what}");
        assert!(browser.is_in(pair.second()).await, "{what}");
        pair.advance(EXPIRED);
    }
}

async fn stays(
    pair: &Pair,
    browser: &crate::support::TestBrowser,
    phone: &crate::support::TestPhone,
    what: &str,
) {
    for app in &pair.replicas {
        assert!(browser.is_in(app).await, "{what} on {}", pair.kind());
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
async fn a_refusal_of_tokens_that_another_replica_has_replaced_ends_nothing(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let phone = pair.first().signed_in(ADA).await;
    let id = phone.session_id(pair.first()).await;
    pair.advance(EXPIRED);
    // This replica asks with the first tokens, and hears late that they are used. The other takes
    // over when the lease is over.
    let store = &pair.base.store;
    let now = pair.first().clock.now();
    assert!(store.lease_upstream(id, 1, now).await.expect("a lease"));
    pair.advance(Duration::from_secs(21));
    let renewed = renewed(&phone, &phone.refresh(pair.second()).await);
    let now = pair.first().clock.now();
    let ended = store.end_if_unchanged(id, 1, "already_used", now).await;
    assert!(!ended.expect("a store"), "{}", pair.kind());
    assert_eq!(pair.end_of(id).await, None);
    assert!(renewed.is_in(pair.first()).await);
    let refreshed = renewed.refresh(pair.first()).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_late_refusal_finds_the_next_tokens_and_goes_on_with_them(
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
    let held = Fault::Hang(Duration::from_millis(1_500));
    pair.provider().faults().next(REFRESH, held);
    let late = {
        let (phone, app) = (phone.clone(), pair.first().clone());
        tokio::spawn(async move { phone.refresh(&app).await })
    };
    until(|| pair.asked(REFRESH) == 1).await;
    // Its lease runs out; the other replica goes on, twice, so that the first token is an old one.
    pair.advance(Duration::from_secs(21));
    let mut ahead = renewed(&phone, &phone.refresh(pair.second()).await);
    pair.advance(EXPIRED);
    ahead = renewed(&ahead, &ahead.refresh(pair.second()).await);
    let late = late.await.expect("no panic");
    let refused = pair.provider().requests().matching(REFRESH)[0].status;
    assert_eq!(refused, Some(400), "{}", pair.kind());
    assert_eq!(pair.end_of(id).await, None, "{}", pair.kind());
    // It goes on to what is there by then; its own token is an old one, too, but not used up.
    assert_ne!(late.status, 500, "{}", late.text());
    assert!(ahead.is_in(pair.first()).await);
    pair.advance(EXPIRED);
    assert_eq!(ahead.refresh(pair.first()).await.status, 200);
}
