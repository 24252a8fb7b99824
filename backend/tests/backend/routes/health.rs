//! `GET /healthz`, `/health` and `/readyz`.

use rstest::rstest;

use crate::support::{Engine, Postgres, Sqlite, TestApp};

#[rstest]
#[tokio::test]
async fn health_answers_200_even_while_draining_and_readiness_then_answers_503(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    for path in ["/healthz", "/health", "/readyz"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json()["status"], "ok");
        assert_eq!(answer.json()["rehearsals"], true);
    }
    app.lifecycle.start_draining();
    assert_eq!(app.get("/healthz").await.status, 200);
    let drained = app.get("/readyz").await;
    assert_eq!(
        (drained.status.as_u16(), drained.fault().as_str()),
        (503, "shutting_down")
    );
    assert_eq!(drained.header("retry-after"), Some("1"));
}
