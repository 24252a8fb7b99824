//! Many clients, and clients that use up connections or memory.

use super::*;

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
const LAST_HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Whether the server neither sends anything nor closes the connection within a millisecond.
async fn is_open(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut byte)).await;
    read.is_err()
}

#[tokio::test]
async fn a_request_is_answered_while_silent_clients_hold_all_connections() {
    const MAX_CONNECTIONS: usize = 5;
    let server = start(Limits {
        max_connections: MAX_CONNECTIONS,
        ..Limits::default()
    })
    .await;
    let mut kept_alive = connect(&server).await;
    kept_alive.write_all(HEALTH).await.unwrap();
    let mut begin_of_answer = [0; 12];
    kept_alive.read_exact(&mut begin_of_answer).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(connect(&server).await);
    }
    let mut client = connect(&server).await;
    client.write_all(LAST_HEALTH).await.unwrap();
    let began = std::time::Instant::now();
    let answer = read_to_end(&mut client).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    // No more connections are open than the limit allows.
    let mut open = 0;
    for stream in &mut silent {
        open += usize::from(is_open(stream).await);
    }
    assert!(open <= MAX_CONNECTIONS, "{open} are open");
}

#[tokio::test]
async fn a_client_that_reads_no_answer_is_disconnected() {
    let server = start(Limits {
        write_timeout: Duration::from_millis(200),
        ..Limits::default()
    })
    .await;
    let mut reads_nothing = connect(&server).await;
    let requests = HEALTH.repeat(1_000);
    // The client sends requests without reading the answers, which fill every buffer in the end.
    let asking = async { while reads_nothing.write_all(&requests).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("the server closes the connection");
    let mut client = connect(&server).await;
    client.write_all(LAST_HEALTH).await.unwrap();
    assert!(read_to_end(&mut client).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn bodies_without_a_verified_sender_share_a_memory_limit_above_which_requests_are_refused() {
    let server = start(Limits::default()).await;
    let head = "POST /orchestrator/message HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\
                Content-Type: application/json\r\nConnection: close\r\n";
    let now = server.app.clock.now().as_secs();
    let invalid_signature = format!(
        "webhook-id: msg_1\r\nwebhook-timestamp: {now}\r\n\
         webhook-signature: v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    );
    let mut senders = Vec::new();
    for _ in 0..12 {
        let mut stream = connect(&server).await;
        let request = [
            head.as_bytes(),
            invalid_signature.as_bytes(),
            &vec![b' '; 900_000],
        ]
        .concat();
        senders.push(tokio::spawn(async move {
            // The server may answer before it has read everything.
            let _ = stream.write_all(&request).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).into_owned()
        }));
    }
    let mut refused = 0;
    for sender in senders {
        let answer = sender.await.unwrap();
        if answer.starts_with("HTTP/1.1 503") {
            assert!(answer.contains("retry-after: 1"), "{answer}");
            assert!(answer.contains(r#""code":"overloaded""#), "{answer}");
            refused += 1;
        } else {
            // The server accepted all bytes of this body, and waited in vain for the missing ones.
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        }
    }
    // The part of one network has room for four of the twelve bodies.
    assert!(refused >= 7, "{refused} were refused");
    // The memory of these bodies is free again.
    let answer = server
        .app
        .mini()
        .post("msg_1", &json!({ "text": "x" }))
        .await;
    assert_eq!(answer.status.as_u16(), 422);
}
