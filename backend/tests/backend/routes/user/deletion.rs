//! `DELETE /user`.

use archety_backend::jobs::JobOutcome;
use archety_backend::store::Pools;
use http::Method;
use http::header::SET_COOKIE;
use rstest::rstest;
use sqlx::Executor;

use crate::support::{Engine, Postgres, Sqlite, TestApp, message};

const ADA: &str = "+15550100001";

#[rstest]
#[tokio::test]
async fn after_a_deletion_no_session_works_a_retry_is_a_duplicate_and_the_number_a_new_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.relay();
    relay.post("msg_1", &message("said")).await;
    let ada = app.signed_in(ADA).await;
    let elsewhere = app.signed_in(ADA).await;
    assert_eq!(elsewhere.get(&app, "/user/profile").await.status, 200);
    let deleted = ada.call(&app, Method::DELETE, "/user", None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    for phone in [&ada, &elsewhere] {
        assert_eq!(phone.get(&app, "/user/profile").await.status, 401);
        assert_eq!(phone.get(&app, "/user/messages").await.status, 401);
        assert_eq!(phone.refresh(&app).await.status, 401);
    }
    // As if the relay got no answer for its message and sent it again.
    let retry = relay.post("msg_1", &message("said")).await;
    assert_eq!(retry.json()["status"], "duplicate", "{}", retry.text());
    let again = app.signed_in(ADA).await;
    assert_ne!(again.user_id, ada.user_id);
    let seen = again.get(&app, "/user/messages").await.json();
    assert_eq!(seen["messages"], serde_json::json!([]), "{}", app.kind);
}

#[rstest]
#[tokio::test]
async fn a_browser_needs_its_csrf_token_to_delete_and_gets_its_cookies_removed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let mut browser = app.browser_of(ADA).await;
    let mut forged = browser.clone();
    forged.csrf_token = None;
    let refused = forged.call(&app, Method::DELETE, "/user", None).await;
    assert_eq!(refused.fault(), "csrf_failed");
    let deleted = browser.call(&app, Method::DELETE, "/user", None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert!(deleted.headers.get_all(SET_COOKIE).iter().count() >= 2);
}

async fn execute(app: &TestApp, sql: &'static str) {
    match app.store.pools() {
        Pools::Postgres(pool) => pool.execute(sql).await.map(drop),
        Pools::Sqlite { writer, .. } => writer.execute(sql).await.map(drop),
    }
    .expect("a statement");
}

async fn count_people(app: &TestApp) -> i64 {
    let sql = "select count(*) from users";
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a count")
}

#[rstest]
#[tokio::test]
async fn a_deletion_that_fails_after_its_first_step_hides_the_person_and_is_finished_by_its_job(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let relay = app.relay();
    relay.post("msg_1", &message("said")).await;
    let ada = app.signed_in(ADA).await;
    // The trigger makes the deletion of messages fail. This leaves the same state as a crash before the first slice.
    let create_trigger = if app.kind == "postgres" {
        execute(
            &app,
            "create function broken() returns trigger language plpgsql as \
             $$ begin raise exception 'broken'; end $$",
        )
        .await;
        "create trigger broken before delete on messages for each row execute function broken()"
    } else {
        "create trigger broken before delete on messages begin select raise(abort, 'broken'); end"
    };
    execute(&app, create_trigger).await;
    let failed = ada.call(&app, Method::DELETE, "/user", None).await;
    assert!(failed.status.is_server_error(), "{}", failed.text());
    for path in ["/user/profile", "/user/messages"] {
        assert_eq!(ada.get(&app, path).await.status, 401, "{path}");
    }
    assert_eq!(ada.refresh(&app).await.status, 401);
    // The number signs in as a new person, who sees no data of the deleted one.
    let again = app.signed_in(ADA).await;
    assert_ne!(again.user_id, ada.user_id);
    let seen = again.get(&app, "/user/messages").await.json();
    assert_eq!(seen["messages"], serde_json::json!([]), "{}", app.kind);
    let now = app.clock.now();
    assert_eq!(
        app.jobs.step(now).await.expect("a store"),
        Some(JobOutcome::Postponed)
    );
    assert_eq!(count_people(&app).await, 2, "{}", app.kind);
    let drop_trigger = match app.kind {
        "postgres" => "drop trigger broken on messages",
        _ => "drop trigger broken",
    };
    execute(&app, drop_trigger).await;
    let later = now.plus(std::time::Duration::from_secs(10));
    assert_eq!(
        app.jobs.step(later).await.expect("a store"),
        Some(JobOutcome::Done)
    );
    assert_eq!(count_people(&app).await, 1, "{}", app.kind);
    let retry = relay.post("msg_1", &message("said")).await;
    assert_eq!(retry.json()["status"], "duplicate", "{}", retry.text());
    assert_eq!(again.get(&app, "/user/profile").await.status, 200);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_finished_after_the_client_hangs_up(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    app.relay().post("msg_1", &message("said")).await;
    let ada = app.signed_in(ADA).await;
    let mut call = Box::pin(ada.call(&app, Method::DELETE, "/user", None));
    // The request is polled until the person is hidden, and then dropped.
    let hidden = async {
        while ada.get(&app, "/user/profile").await.status != 401 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut call => {}
        () = hidden => {}
    }
    drop(call);
    while count_people(&app).await > 0 {
        tokio::task::yield_now().await;
    }
}
