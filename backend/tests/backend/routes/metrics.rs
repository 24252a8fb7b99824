//! `GET /metrics`.

use archety_backend::config::RelayAuth;
use axum::body::Body;
use http::Request;
use http::header::AUTHORIZATION;

use crate::support::sqlite_app;

#[tokio::test]
async fn metrics_need_their_token() {
    let app = sqlite_app(RelayAuth::Both).await;
    app.get("/healthz").await;
    let closed = app.get("/metrics").await;
    assert_eq!(
        (closed.status.as_u16(), closed.fault().as_str()),
        (401, "unauthorized")
    );
    let ask = async |token: &str| {
        let request = Request::get("/metrics")
            .header(AUTHORIZATION, token)
            .body(Body::empty());
        app.send(request.expect("valid")).await
    };
    for wrong in [
        "Bearer wrong",
        "Bearer ",
        "Basic metrics-token",
        "metrics-token",
    ] {
        assert_eq!(ask(wrong).await.status, 401, "{wrong}");
    }
    assert_eq!(ask("bearer metrics-token").await.status, 200);
    let shown = ask("Bearer metrics-token").await;
    assert_eq!(shown.status, 200);
    assert!(
        shown
            .text()
            .contains("http_requests_total{route=\"/healthz\",status=\"200\"}")
    );
}
