//! What the operator sees of relays: a log line for each message, and the output of `relay list`.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use shared_protocol::{MESSAGE_ROUTE, PULL_ROUTE, Purpose, RelaySecret, WebhookId};

use crate::cli::{Serving, run_in};

pub(crate) const SIGNING_SECRET: &str = "mini:secret-of-the-relay-called-mini-0002";
const BEARER_SECRET: &str = "old:secret-of-the-relay-that-cannot-sign-03";

/// Posts to a running backend and returns its answer.
fn post(address: &str, route: &str, headers: &[(&str, &str)], body: &Value) -> String {
    let body = body.to_string();
    let mut head = format!("POST {route} HTTP/1.1\r\n{CONTENT_TYPE}: application/json\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    exchange(address, &head, &body)
}

/// Sends a request on a new connection and returns the answer. `head` ends with CRLF and lacks the headers
/// `Host` and `Content-Length`.
pub(crate) fn exchange(address: &str, head: &str, body: &str) -> String {
    let length = body.len();
    let request =
        format!("{head}Host: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.write_all(request.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    answer
}

/// Posts a body with the signature of the relay `mini`.
pub(crate) fn post_signed(
    address: &str,
    route: &str,
    id: &str,
    purpose: Purpose,
    body: &Value,
) -> String {
    let secret = RelaySecret::parse(SIGNING_SECRET).expect("a secret");
    let webhook_id = WebhookId::parse(id, purpose).expect("an id");
    let now = archety_backend::clock::Clock::System.now().as_secs();
    let signature = secret
        .key()
        .sign(&webhook_id, now, body.to_string().as_bytes());
    let timestamp = now.to_string();
    let headers = [
        ("webhook-id", id),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signature),
    ];
    post(address, route, &headers, body)
}

/// Posts a message with the bare secret of the relay `old`.
fn post_with_bearer(address: &str, body: &Value) -> String {
    let secret = RelaySecret::parse(BEARER_SECRET).expect("a secret");
    let bearer = format!("Bearer {}", secret.expose_bearer());
    post(
        address,
        MESSAGE_ROUTE,
        &[(AUTHORIZATION.as_str(), &bearer)],
        body,
    )
}

#[test]
fn each_message_has_one_log_line_without_its_content_and_relay_list_shows_each_relays_proof() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let secrets = format!("{SIGNING_SECRET},{BEARER_SECRET}");
    let variables = [("RELAY_WEBHOOK_SECRET", secrets.as_str())];
    let mut serving = Serving::start(folder.path(), &variables);
    let address = serving.address.clone();
    let mut body = json!({
        "chat_guid": "iMessage;-;+15550100001", "mode": "direct", "sender": "+15550100001",
        "text": "a private word", "timestamp": 1_789_999_990, "participants": ["+15550100001"],
        "message_guid": "0A0A0A0A-0000-4000-8000-000000000001", "group_name": "our secret club",
        "mentions": ["+15550100002"], "attachments": [{ "guid": "at_0", "transcript": "spoken" }],
    });
    for id in ["msg_1", "msg_2"] {
        let answer = post_signed(&address, MESSAGE_ROUTE, id, Purpose::Message, &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    body["event"] = json!("edit");
    assert!(post_with_bearer(&address, &body).starts_with("HTTP/1.1 200"));
    body["rehearsal"] = json!(true);
    let answer = post_signed(&address, MESSAGE_ROUTE, "msg_3", Purpose::Message, &body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for (id, rehearsal) in [("pull_1", false), ("pull_2", true)] {
        let pull = json!({ "instance_id": "one", "rehearsal": rehearsal });
        let answer = post_signed(&address, PULL_ROUTE, id, Purpose::Pull, &pull);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let headers = [("webhook-id", "msg_x")];
    assert!(post(&address, MESSAGE_ROUTE, &headers, &body).starts_with("HTTP/1.1 401"));
    assert_eq!(serving.terminate(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    assert_log_lines(&log);
    assert_relay_list(folder.path(), &variables);
}

/// Checks the log lines of the four accepted messages and of the refused one.
fn assert_log_lines(log: &str) {
    let message_lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("message taken"))
        .collect();
    let expected = [
        ("mini", "message", "accepted"),
        ("mini", "message", "duplicate"),
        ("old", "edit", "accepted"),
        ("mini/rehearsal", "edit", "accepted"),
    ];
    assert_eq!(message_lines.len(), expected.len(), "{log}");
    for (line, (relay, event, status)) in message_lines.iter().zip(expected) {
        for field in [
            " INFO ".to_owned(),
            format!("relay=\"{relay}\""),
            format!("event=\"{event}\""),
            format!("status=\"{status}\""),
            "message_id=".to_owned(),
            "request_id=".to_owned(),
        ] {
            assert!(line.contains(&field), "{field} in {line}");
        }
    }
    assert!(log.contains("fix="), "a refusal names its remedy: {log}");
    for private in [
        "1555010",
        "private",
        "secret club",
        "spoken",
        "0A0A0A0A",
        "at_0",
        "secret-of",
    ] {
        assert!(!log.contains(private), "{private} in {log}");
    }
}

/// Checks that `relay list` shows `mini` as signing and pulling, and `old` as neither.
fn assert_relay_list(folder: &Path, variables: &[(&str, &str)]) {
    let list = |arguments: &[&str]| {
        let arguments = [&["relay", "list"], arguments].concat();
        let run = run_in(folder, variables, &arguments);
        run.expect_code(0).to_owned()
    };
    let lines = list(&[]);
    let lines: Vec<&str> = lines.lines().collect();
    let [mini, old] = lines[..] else {
        panic!("{lines:?}")
    };
    assert!(
        mini.starts_with("mini ") && mini.contains(" signature "),
        "{mini}"
    );
    // `20` is the beginning of the date, which begins with the year.
    assert!(
        mini.contains("last pulled 20") && mini.contains(" s ago)"),
        "{mini}"
    );
    assert!(old.starts_with("old ") && old.contains(" bearer "), "{old}");
    assert!(old.ends_with("never pulled"), "{old}");
    let json: Value = serde_json::from_str(&list(&["--json"])).expect("JSON");
    assert_eq!(
        (&json[0]["proof"], &json[1]["proof"]),
        (&json!("signature"), &json!("bearer"))
    );
    assert!(
        json[0]["last_seen_at"].is_i64() && json[0]["last_signed_at"].is_i64(),
        "{json}"
    );
    assert!(
        json[1]["last_bearer_at"].is_i64() && json[1]["last_seen_at"].is_null(),
        "{json}"
    );
}
