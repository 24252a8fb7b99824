//! Requests that are not valid HTTP.

use super::*;

async fn send(server: &Server, request: &str) -> String {
    let mut client = connect(server).await;
    // The server may close before it has read everything.
    let _ = client.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "the connection ends");
    String::from_utf8(answer).expect("text")
}

/// Checks that the answer is a problem with this status, and returns its body.
fn problem(answer: &str, status: &str) -> serde_json::Value {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(
        head.contains("content-type: application/problem+json"),
        "{answer}"
    );
    let body: serde_json::Value = serde_json::from_str(body).expect("a problem");
    let id = body["request_id"].as_str().expect("an id");
    assert!(head.contains(&format!("x-request-id: {id}")), "{answer}");
    assert_eq!(body["status"].to_string(), status);
    body
}

#[tokio::test]
async fn requests_that_are_not_valid_http_are_answered_with_a_problem_and_request_id() {
    let server = start(Limits::default()).await;
    for garbage in [
        "HELO mail\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nno colon here\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST /auth/verify/start HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET /\u{1} HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let body = problem(&send(&server, garbage).await, "400");
        assert_eq!(body["code"], "bad_request", "{garbage:?}");
    }
    let huge = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Huge: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    problem(&send(&server, &huge).await, "431");
    // An invalid request after a valid one on the same connection is answered in the same way.
    let answers = send(
        &server,
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nHELO mail\r\n\r\n",
    )
    .await;
    let (first, second) = answers.split_at(answers.rfind("HTTP/1.1").expect("two answers"));
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    problem(second, "400");
}

#[tokio::test]
async fn a_request_without_exactly_one_valid_host_is_refused_unless_it_is_http_1_0() {
    let server = start(Limits::default()).await;
    for hosts in [
        "",
        "Host: a\r\nHost: a\r\n",
        "Host: a, b\r\n",
        "Host: a/b\r\n",
    ] {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let body = problem(&send(&server, &request).await, "400");
        assert_eq!(body["code"], "bad_request", "{hosts:?}");
    }
    let http_1_0 = send(&server, "GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(http_1_0.starts_with("HTTP/1.0 200"), "{http_1_0}");
}

#[tokio::test]
async fn a_request_refused_by_its_headers_gets_no_100_continue() {
    let server = start(Limits::default()).await;
    for refused in [
        "POST /orchestrator/message HTTP/1.1\r\nContent-Length: 10\r\n",
        "POST /orchestrator/message HTTP/1.1\r\nContent-Length: 10\r\nAuthorization: Bearer wrong\r\n",
        "POST /orchestrator/message HTTP/1.1\r\nContent-Length: 99999999\r\n",
        "POST /auth/verify/start HTTP/1.1\r\nContent-Length: 10\r\nContent-Type: text/plain\r\n",
        "PATCH /user/profile HTTP/1.1\r\nContent-Length: 10\r\nContent-Type: application/json\r\n",
        "POST /nowhere HTTP/1.1\r\nContent-Length: 10\r\n",
    ] {
        let request =
            format!("{refused}Host: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
        let answer = send(&server, &request).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{refused}: {answer}");
    }
}
