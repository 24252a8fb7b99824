//! `GET /metrics`.

use archety_backend::config::RelayAuth;
use axum::body::Body;
use http::Request;
use http::header::AUTHORIZATION;

use crate::support::sqlite_app;

#[tokio::test]
async fn metrics_are_answered_only_with_their_bearer_token() {
    let app = sqlite_app(RelayAuth::Both).await;
    app.get("/healthz").await;
    let refused = app.get("/metrics").await;
    assert_eq!(
        (refused.status.as_u16(), refused.fault().as_str()),
        (401, "unauthorized")
    );
    let get_with = async |token: &str| {
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
        assert_eq!(get_with(wrong).await.status, 401, "{wrong}");
    }
    assert_eq!(get_with("bearer metrics-token").await.status, 200);
    let metrics = get_with("Bearer metrics-token").await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .text()
            .contains("http_requests_total{route=\"/healthz\",status=\"200\"}")
    );
}
