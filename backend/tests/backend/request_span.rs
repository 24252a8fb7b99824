//! The log lines of a request have the request's id and its route. If a relay sent the request, they also name the
//! relay.

use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;
use serde_json::json;
use shared_protocol::{MESSAGE_ROUTE, Purpose};

use crate::cli::Serving;
use crate::relay_logs_and_list::{SIGNING_SECRET, exchange, post_signed};
use crate::support::{Answered, Engine, Postgres, Sqlite, TestApp};

/// A field of a line, as text logs write it: `name="value"`.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) = line.split_once(&format!(" {name}=\""))?;
    Some(value.split_once('"')?.0)
}

#[test]
fn log_lines_of_simultaneous_requests_have_the_id_and_route_of_their_own_request() {
    const REQUESTS: usize = 40;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let variables = [
        ("RELAY_WEBHOOK_SECRET", SIGNING_SECRET),
        ("LOG_LEVEL", "archety_backend=debug"),
    ];
    let mut serving = Serving::start(folder.path(), &variables);
    let address = serving.address.as_str();
    std::thread::scope(|scope| {
        for n in 0..REQUESTS {
            scope.spawn(move || {
                let (method, target, body) = match n % 3 {
                    0 => ("GET", format!("/nothing/{n}"), String::new()),
                    1 => {
                        let phone = format!("+1555010{:04}", 1000 + n);
                        (
                            "POST",
                            "/auth/verify/start".to_owned(),
                            json!({ "phone": phone }).to_string(),
                        )
                    }
                    _ => ("GET", "/user/messages".to_owned(), String::new()),
                };
                let head = format!(
                    "{method} {target} HTTP/1.1\r\nX-Request-Id: client-{n}\r\n\
                     Content-Type: application/json\r\n"
                );
                let answer = exchange(address, &head, &body);
                assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
            });
        }
    });
    let message = json!({
        "chat_guid": "iMessage;-;+15550100001", "mode": "direct", "sender": "+15550100001", "text": "hello",
        "timestamp": 1_789_999_990, "participants": ["+15550100001"],
    });
    let answer = post_signed(address, MESSAGE_ROUTE, "msg_1", Purpose::Message, &message);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(serving.terminate(), Some(0));

    let log = std::fs::read_to_string(folder.path().join("log")).expect("a log");
    let mut requests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in log.lines() {
        if let Some(id) = field(line, "request_id") {
            requests.entry(id).or_default().push(line);
        }
    }
    let mut answered = BTreeSet::new();
    for (id, lines) in &requests {
        let answer_lines: Vec<_> = (lines.iter())
            .filter(|line| line.contains(" answered "))
            .collect();
        assert_eq!(
            answer_lines.len(),
            1,
            "one line reports the answer to {id}: {lines:?}"
        );
        let Some(client_id) = field(answer_lines[0], "client_request_id") else {
            continue;
        };
        let n: usize = client_id["client-".len()..].parse().expect("a number");
        let (method, route) = [
            ("GET", "unmatched"),
            ("POST", "/auth/verify/start"),
            ("GET", "/user/messages"),
        ][n % 3];
        assert_eq!(field(answer_lines[0], "method"), Some(method), "{lines:?}");
        for line in lines {
            assert_eq!(field(line, "route"), Some(route), "{lines:?}");
        }
        // Only a request for a code has this line. A task of its own writes it, with the request's id.
        let has_code = |line: &&&str| line.contains("the code is ");
        assert_eq!(
            lines.iter().filter(has_code).count(),
            usize::from(n % 3 == 1)
        );
        answered.insert(n);
    }
    assert_eq!(answered.len(), REQUESTS, "{log}");
    let message_lines: Vec<&str> = (log.lines())
        .filter(|line| line.contains("message taken"))
        .collect();
    assert_eq!(message_lines.len(), 1, "{log}");
    assert_eq!(
        field(message_lines[0], "route"),
        Some(MESSAGE_ROUTE),
        "{log}"
    );
    let (_, span) = message_lines[0].split_once("request_id=").expect("a span");
    assert_eq!(field(span, "relay"), Some("mini"), "{log}");
}

#[rstest]
#[tokio::test]
async fn audit_events_of_a_sign_in_have_the_request_id(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let start = app
        .post_json("/auth/verify/start", &json!({ "phone": "+15551234567" }))
        .await;
    let code = json!({ "phone": "+15551234567", "code": "123456" });
    let confirm = app.post_json("/auth/verify/confirm", &code).await;
    assert_eq!(confirm.status, 200, "{}", app.kind);
    let mut stored = crate::audit::request_ids(&app).await;
    stored.sort();
    let id = |answer: &Answered| answer.header("x-request-id").map(str::to_owned);
    // A separate task opens the session, with the same request id.
    let mut expected = vec![
        ("code_confirm".to_owned(), id(&confirm)),
        ("code_start".to_owned(), id(&start)),
        ("sign_in".to_owned(), id(&confirm)),
    ];
    expected.sort();
    assert_eq!(stored, expected, "{}", app.kind);
}
