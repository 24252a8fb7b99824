//! Messages while the database cannot be reached or the store is closed.

use archety_backend::config::RelayAuth;
use rstest::rstest;
use shared_protocol::MESSAGE_ROUTE;

use crate::support::{Engine, Postgres, Sqlite, TestApp, TestStore, message, secrets};

#[tokio::test]
async fn without_the_database_messages_and_readiness_answer_503_and_health_200() {
    let store = TestStore::postgres().await;
    let app = TestApp::on(store, RelayAuth::Both, &secrets()).await;
    assert_eq!(
        app.relay().post("msg_1", &message("before")).await.status,
        200
    );
    app.base.database.as_ref().expect("Postgres").vanish().await;
    // Each connection of the pool notices the loss only when it is used.
    for n in 0..12 {
        let id = format!("msg_gone_{n}");
        let answer = app.relay().post(&id, &message("after")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.fault().as_str()),
            (503, "store_unavailable")
        );
        assert!(answer.header("retry-after").is_some());
        assert!(app.relay().trusts(&id, &answer));
        let body = answer.text();
        for internal in ["postgres", "database \"", "sqlx", "FATAL"] {
            assert!(!body.contains(internal), "{body}");
        }
    }
    assert_eq!(
        app.relay()
            .post_bearer(MESSAGE_ROUTE, &message("x"))
            .await
            .status,
        503
    );
    assert_eq!(app.get("/readyz").await.fault(), "store_unavailable");
    assert_eq!(
        app.get("/healthz").await.status,
        200,
        "the process still runs"
    );
}

#[rstest]
#[tokio::test]
async fn after_the_store_is_closed_messages_and_readiness_answer_503(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    app.store.close().await;
    let answer = app.relay().post("msg_1", &message("late")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.fault().as_str()),
        (503, "shutting_down")
    );
    let ready = app.get("/readyz").await;
    assert_eq!(
        (ready.status.as_u16(), ready.fault().as_str()),
        (503, "shutting_down"),
        "a process without a store gets no traffic"
    );
}
