//! Requests that no route matches, and the id that every request gets.

use archety_backend::config::RelayAuth;
use axum::body::Body;
use http::Request;
use shared_protocol::MESSAGE_ROUTE;

use crate::support::sqlite_app;

#[tokio::test]
async fn unknown_paths_answer_404_and_unknown_methods_405_with_allow() {
    let app = sqlite_app(RelayAuth::Both).await;
    let answer = app.get("/nowhere").await;
    assert_eq!(
        (answer.status.as_u16(), answer.fault().as_str()),
        (404, "not_found")
    );
    let answer = app.get(MESSAGE_ROUTE).await;
    assert_eq!(
        (answer.status.as_u16(), answer.fault().as_str()),
        (405, "method_not_allowed")
    );
    assert_eq!(answer.header("allow"), Some("POST"));
}

#[tokio::test]
async fn every_request_gets_a_new_id_whatever_id_it_sends() {
    let app = sqlite_app(RelayAuth::Both).await;
    let mut seen = std::collections::HashSet::new();
    for sent_id in [
        &b""[..],
        b"trace-7_a.b",
        b"trace-7_a.b",
        b"a b",
        b"\xe9",
        &[b'x'; 65],
    ] {
        let request = Request::get("/nowhere")
            .header("x-request-id", sent_id)
            .body(Body::empty());
        let answer = app.send(request.expect("valid")).await;
        let id = answer.header("x-request-id").expect("an id");
        assert_eq!(id.len(), 32, "{id}");
        assert_eq!(answer.json()["request_id"], id);
        assert!(seen.insert(id.to_owned()), "{id} names two requests");
    }
}

#[tokio::test]
async fn a_preflight_answers_404_for_an_unknown_path_and_200_for_a_known_one() {
    let app = sqlite_app(RelayAuth::Both).await;
    for (path, status) in [("/nowhere", 404), ("/auth/session", 200)] {
        let request = Request::options(path)
            .header("origin", "http://localhost:3000")
            .header("access-control-request-method", "GET")
            .body(Body::empty());
        let answer = app.send(request.expect("valid")).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
    }
}
