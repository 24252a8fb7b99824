//! Every event of authentication is stored and counted. No event contains a phone number or a code.

use archety_backend::store::Pools;
use http::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, Postgres, Sqlite, TestApp};

async fn rows(app: &TestApp) -> Vec<(String, String, bool)> {
    let sql = "select kind, outcome, user_id is not null from auth_events order by occurred_at, id";
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    }
    .expect("rows")
}

/// Kind and request id of each event.
pub(crate) async fn request_ids(app: &TestApp) -> Vec<(String, Option<String>)> {
    let sql = "select kind, request_id from auth_events";
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    }
    .expect("rows")
}

#[rstest]
#[tokio::test]
async fn events_of_authentication_are_stored_and_counted(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let wrong = json!({ "phone": "+15550100001", "code": "999999" });
    app.post_json("/auth/verify/start", &json!({ "phone": "+15550100001" }))
        .await;
    app.post_json("/auth/verify/confirm", &wrong).await;
    let phone = app.signed_in("+15550100001").await;
    phone.refresh(&app).await;
    phone.call(&app, Method::POST, "/auth/logout", None).await;
    let seen = rows(&app).await;
    let seen: Vec<_> = seen
        .iter()
        .map(|(kind, outcome, known)| (kind.as_str(), outcome.as_str(), *known))
        .collect();
    // The clock stands still, so all events have the same time and their order is not defined.
    for expected in [
        ("code_start", "accepted", false),
        ("code_confirm", "wrong", false),
        ("code_confirm", "approved", false),
        ("sign_in", "opened", true),
        ("log_out", "local", true),
    ] {
        assert!(
            seen.contains(&expected),
            "{expected:?} in {seen:?} on {}",
            app.kind
        );
    }
    let metrics = app.metrics().await;
    assert!(seen.iter().all(|(kind, ..)| *kind != "refresh"), "{seen:?}");
    assert!(metrics.contains(r#"auth_events_total{kind="refresh",outcome="rotated"}"#));
    let counted = r#"auth_events_total{kind="sign_in",outcome="opened"}"#;
    assert!(metrics.contains(counted));
    for personal in ["15550100001", "5550100001", &phone.access_token] {
        assert!(!metrics.contains(personal), "{personal}");
    }
}

#[rstest]
#[tokio::test]
async fn an_address_with_many_refused_requests_stores_no_events_and_is_slowed_down(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let stranger = json!({ "phone": "+15550100001", "code": "123456" });
    let mut slowed = 0;
    for _ in 0..50 {
        let answer = app.post_json("/auth/verify/confirm", &stranger).await;
        match answer.fault().as_str() {
            "code_expired" => {}
            "rate_limited" => {
                assert!(answer.header("retry-after").is_some());
                slowed += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(slowed, 20, "a burst is answered");
    assert_eq!(rows(&app).await, [], "{}", app.kind);
    // Requests from another address are not slowed down.
    let headers = [("x-real-ip", "192.0.2.1")];
    let answer = app
        .call(
            Method::POST,
            "/auth/verify/confirm",
            &headers,
            Some(&stranger),
        )
        .await;
    assert_eq!(answer.fault(), "code_expired");
}

#[rstest]
#[tokio::test]
async fn a_session_stores_a_limited_number_of_events_of_each_kind(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut phone = app.signed_in("+15550100001").await;
    for _ in 0..30 {
        let answer = phone.refresh(&app).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let next = answer.json();
        for (kept, name) in [
            (&mut phone.access_token, "access_token"),
            (&mut phone.refresh_token, "refresh_token"),
        ] {
            next[name].as_str().expect("a token").clone_into(kept);
        }
        assert_eq!(phone.get(&app, "/user/export").await.status, 200);
    }
    let of = |events: &[(String, String, bool)], wanted: &str| {
        events.iter().filter(|(kind, ..)| kind == wanted).count()
    };
    let seen = rows(&app).await;
    assert_eq!(of(&seen, "export"), 20, "{}", app.kind);
    assert_eq!(of(&seen, "refresh"), 0, "{}", app.kind);
    let other = app.signed_in("+15550100001").await;
    assert_eq!(other.get(&app, "/user/export").await.status, 200);
    assert_eq!(
        of(&rows(&app).await, "export"),
        21,
        "another session has its own limit"
    );
}
