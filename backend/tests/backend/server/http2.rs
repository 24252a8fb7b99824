//! Connections on which the client's HTTP/2 frames are written by hand, because no client library sends such frames.

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Kinds of frames.
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
// Flags of frames.
const NO_FLAGS: u8 = 0;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
/// The stream of frames that concern the whole connection.
const CONNECTION: u32 = 0;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The request `GET /healthz` on `stream`.
fn health_request(stream: u32) -> Vec<u8> {
    // Entries of HPACK's static table (`:method: GET`, `:scheme: http`, the name `:path`), and the length of the path.
    let mut block = vec![0x82, 0x86, 0x04, 8];
    block.extend(b"/healthz");
    // The name `:authority` of the static table, with a value of one letter.
    block.extend([0x01, 1, b'x']);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block)
}

/// Reads frames until the server acknowledges the client's settings.
async fn wait_for_settings_ack(stream: &mut TcpStream) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).expect("short")];
        stream
            .read_exact(&mut payload)
            .await
            .expect("a whole frame");
        let (kind, flags) = (head[3], head[4]);
        if kind == SETTINGS && flags == ACK {
            return;
        }
    }
}

/// Sends a ping every 20 ms for as long as the server keeps the connection.
async fn ping_until_closed(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    loop {
        let ping = frame(PING, NO_FLAGS, CONNECTION, &[1; 8]);
        let sent = stream.write_all(&ping).await;
        let read = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut buffer)).await;
        if sent.is_err() || matches!(read, Ok(Ok(0) | Err(_))) {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_that_sends_only_pings_is_closed() {
    let server = start(Limits {
        first_request_timeout: Duration::from_millis(500),
        header_timeout: Duration::from_millis(500),
        ..Limits::default()
    })
    .await;
    for first_request in [None, Some(health_request(1))] {
        let mut stream = connect(&server).await;
        let settings = frame(SETTINGS, NO_FLAGS, CONNECTION, &[]);
        let opening = [PREFACE, &settings, &first_request.unwrap_or_default()].concat();
        stream.write_all(&opening).await.unwrap();
        tokio::time::timeout(PATIENCE, ping_until_closed(&mut stream))
            .await
            .expect("the server closes the connection");
    }
}

#[tokio::test]
async fn a_client_without_a_flow_control_window_for_the_answer_is_disconnected() {
    let server = start(Limits {
        // The server notices that a connection has a request only when the time limit for its first request is over.
        first_request_timeout: Duration::from_millis(300),
        stall_timeout: Duration::from_millis(300),
        ..Limits::default()
    })
    .await;
    let mut client = connect(&server).await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: headers may come, the body may not.
    let no_window = frame(SETTINGS, NO_FLAGS, CONNECTION, &[0, 4, 0, 0, 0, 0]);
    let opening = [PREFACE, &no_window].concat();
    client.write_all(&opening).await.unwrap();
    wait_for_settings_ack(&mut client).await;
    // Under load, the server may have closed the connection already.
    let _ = client.write_all(&health_request(1)).await;
    tokio::time::timeout(PATIENCE, ping_until_closed(&mut client))
        .await
        .expect("the connection is closed");
}
