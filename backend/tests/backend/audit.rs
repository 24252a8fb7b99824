//! Events of authentication are stored or only counted, and a session stores a limited number of each kind.

use archety_backend::store::Pools;
use http::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::{Engine, Postgres, Sqlite, TestApp};

/// Kind and outcome of each stored event, and whether it names a person, in the order of their time.
async fn stored_events(app: &TestApp) -> Vec<(String, String, bool)> {
    let sql = "select kind, outcome, user_id is not null from auth_events order by occurred_at, id";
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    }
    .expect("rows")
}

/// Kind and request id of each stored event.
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
async fn events_except_refreshes_are_stored_and_metrics_contain_no_phone_number_or_token(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let wrong_code = json!({ "phone": "+15550100001", "code": "999999" });
    app.post_json("/auth/verify/start", &json!({ "phone": "+15550100001" }))
        .await;
    app.post_json("/auth/verify/confirm", &wrong_code).await;
    let client = app.signed_in("+15550100001").await;
    client.refresh(&app).await;
    client.call(&app, Method::POST, "/auth/logout", None).await;
    let stored = stored_events(&app).await;
    let stored: Vec<_> = stored
        .iter()
        .map(|(kind, outcome, names_person)| (kind.as_str(), outcome.as_str(), *names_person))
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
            stored.contains(&expected),
            "{expected:?} in {stored:?} on {}",
            app.kind
        );
    }
    let metrics = app.metrics().await;
    assert!(
        stored.iter().all(|(kind, ..)| *kind != "refresh"),
        "{stored:?}"
    );
    assert!(metrics.contains(r#"auth_events_total{kind="refresh",outcome="rotated"}"#));
    let counted = r#"auth_events_total{kind="sign_in",outcome="opened"}"#;
    assert!(metrics.contains(counted));
    for personal in ["15550100001", "5550100001", &client.access_token] {
        assert!(!metrics.contains(personal), "{personal}");
    }
}

#[rstest]
#[tokio::test]
async fn refused_confirmations_are_rate_limited_per_address_and_store_no_events(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let confirmation = json!({ "phone": "+15550100001", "code": "123456" });
    let mut rate_limited = 0;
    for _ in 0..50 {
        let answer = app.post_json("/auth/verify/confirm", &confirmation).await;
        match answer.fault().as_str() {
            "code_expired" => {}
            "rate_limited" => {
                assert!(answer.header("retry-after").is_some());
                rate_limited += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(rate_limited, 20, "the first 30 are not rate-limited");
    assert_eq!(stored_events(&app).await, [], "{}", app.kind);
    // Requests from another address are not rate-limited.
    let headers = [("x-real-ip", "192.0.2.1")];
    let answer = app
        .call(
            Method::POST,
            "/auth/verify/confirm",
            &headers,
            Some(&confirmation),
        )
        .await;
    assert_eq!(answer.fault(), "code_expired");
}

#[rstest]
#[tokio::test]
async fn a_session_stores_at_most_20_export_events_and_no_refresh_event(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut client = app.signed_in("+15550100001").await;
    for _ in 0..30 {
        let answer = client.refresh(&app).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let next = answer.json();
        for (token, name) in [
            (&mut client.access_token, "access_token"),
            (&mut client.refresh_token, "refresh_token"),
        ] {
            next[name].as_str().expect("a token").clone_into(token);
        }
        assert_eq!(client.get(&app, "/user/export").await.status, 200);
    }
    let count_of = |events: &[(String, String, bool)], wanted: &str| {
        events.iter().filter(|(kind, ..)| kind == wanted).count()
    };
    let stored = stored_events(&app).await;
    assert_eq!(count_of(&stored, "export"), 20, "{}", app.kind);
    assert_eq!(count_of(&stored, "refresh"), 0, "{}", app.kind);
    let other_session = app.signed_in("+15550100001").await;
    assert_eq!(other_session.get(&app, "/user/export").await.status, 200);
    assert_eq!(
        count_of(&stored_events(&app).await, "export"),
        21,
        "another session has its own limit"
    );
}
