//! The database gone while requests come in.

use archety_backend::config::RelayAuth;
use shared_protocol::MESSAGE_ROUTE;

use crate::support::{TestApp, TestStore, apps, message, secrets};

#[tokio::test]
async fn a_store_that_is_gone_is_503_and_says_when_to_come_back() {
    let Some(store) = TestStore::postgres().await else {
        return;
    };
    let app = TestApp::on(store, RelayAuth::Both, &secrets()).await;
    assert_eq!(
        app.relay().post("msg_1", &message("before")).await.status,
        200
    );
    app.base.database.as_ref().expect("Postgres").vanish().await;
    // Every pooled connection finds out by itself.
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
        "the process itself is well"
    );
}

#[tokio::test]
async fn a_closed_store_turns_requests_away() {
    for app in apps().await {
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
            "whoever takes nothing in shall get nothing"
        );
    }
}
