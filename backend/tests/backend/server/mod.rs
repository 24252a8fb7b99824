//! Connections of the server: time limits, keep-alive, draining.

mod crowd;
mod http2;
mod unreadable;

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use archety_backend::config::{RelayAuth, TrustedProxies};
use archety_backend::http::{Limits, serve};
use serde_json::json;
use shared_protocol::PULL_ROUTE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{PLAIN_SECRET, TestApp, sqlite_app};

/// How long a test waits for the server at most. Even on a loaded machine, each time limit of the tests ends earlier.
const PATIENCE: Duration = Duration::from_mins(1);

struct Server {
    app: TestApp,
    address: SocketAddr,
    task: JoinHandle<()>,
}

async fn start(limits: Limits) -> Server {
    let app = sqlite_app(RelayAuth::Both).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let task = tokio::spawn(serve(
        listener,
        app.router.clone(),
        app.lifecycle.clone(),
        limits,
        TrustedProxies::default(),
    ));
    Server { app, address, task }
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address)
        .await
        .expect("the server listens")
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the server ends the connection")
        .expect("readable");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_client_that_sends_no_complete_headers_in_time_is_disconnected() {
    let server = start(Limits {
        first_request_timeout: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    let mut slow = connect(&server).await;
    slow.write_all(b"POST /orchestrator/message HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        .await
        .unwrap();
    let answer = read_to_end(&mut slow).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    let mut silent = connect(&server).await;
    assert_eq!(read_to_end(&mut silent).await, "");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_408_and_the_connection_closes() {
    let server = start(Limits::default()).await;
    let mut slow = connect(&server).await;
    let request = format!(
        "POST /edge/message HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PLAIN_SECRET}\r\n\
         Content-Length: 10\r\n\r\n{{"
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = start(Limits::default()).await;
    let mut client = connect(&server).await;
    let head = "POST /edge/message HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\
                Authorization: Bearer wrong\r\nConnection: close\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    client.write_all(&vec![b' '; 1_000_000]).await.unwrap();
    let answer = read_to_end(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn invalid_requests_end_their_connection_and_the_server_still_answers() {
    let server = start(Limits::default()).await;
    let huge = format!("GET / HTTP/1.1\r\nX-Huge: {}\r\n\r\n", "x".repeat(200_000));
    for garbage in ["\0\0\0\0 \r\n\r\n", "HELO mail\r\n\r\n", &huge] {
        let mut client = connect(&server).await;
        // The server may close before it has read everything.
        let _ = client.write_all(garbage.as_bytes()).await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, client.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection ends");
    }
    let mut client = connect(&server).await;
    client
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn draining_answers_requests_in_flight_and_closes_idle_connections() {
    let server = start(Limits::default()).await;
    let mut idle = connect(&server).await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut begin_of_answer = [0; 12];
    idle.read_exact(&mut begin_of_answer).await.unwrap();
    assert_eq!(&begin_of_answer, b"HTTP/1.1 200");
    let mut polling = connect(&server).await;
    let body = json!({ "instance_id": "one", "wait_seconds": 25 }).to_string();
    let now = server.app.clock.now().as_secs();
    let relay = server.app.mini();
    let signed = relay.signed(PULL_ROUTE, "pull_1", now, body.clone().into_bytes());
    let mut request = format!(
        "POST {PULL_ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in signed.headers() {
        let value = value.to_str().unwrap();
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    request.push_str("\r\n");
    request.push_str(&body);
    polling.write_all(request.as_bytes()).await.unwrap();
    // The server has accepted the pull once the store has recorded that the relay signs.
    let name = shared_protocol::RelayName::parse("mini").unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !server.app.store.has_signed(&name).await.unwrap() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the pull never arrived"
        );
        tokio::task::yield_now().await;
    }
    server.app.lifecycle.start_draining();
    assert!(read_to_end(&mut polling).await.starts_with("HTTP/1.1 200"));
    read_to_end(&mut idle).await;
    tokio::time::timeout(PATIENCE, server.task)
        .await
        .expect("the server stops")
        .expect("no panic");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "the server no longer listens"
    );
}
