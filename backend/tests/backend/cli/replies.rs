//! `attention`, `line` and `relay move`, run as programs beside a running server on SQLite.

use std::path::Path;

use archety_backend::clock::Clock;
use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::Store;
use serde_json::{Value, json};
use shared_protocol::{CommandBody, PULL_ROUTE, Purpose, RelayName};
use test_process::Run;

use super::{Serving, backend, run_in};
use crate::relay_logs_and_list::{SIGNING_SECRET, post_signed};

const VARIABLES: [(&str, &str); 1] = [("RELAY_WEBHOOK_SECRET", SIGNING_SECRET)];

fn run(folder: &Path, arguments: &[&str]) -> Run {
    run_in(folder, &VARIABLES, arguments)
}

/// The status of the answer to a pull of the relay `mini`.
fn pull(serving: &Serving, id: &str, body: &Value) -> u16 {
    let answer = post_signed(&serving.address, PULL_ROUTE, id, Purpose::Pull, body);
    let status = answer.split(' ').nth(1).expect("a status");
    status.parse().expect("a number")
}

/// Writes commands for the relay `mini`, before the server starts.
async fn write_pings(folder: &Path, ids: &[&str]) {
    let config = DatabaseConfig::from(DatabaseKind::Sqlite {
        path: folder.join("archety.db"),
    });
    let now = Clock::System.now();
    let store = Store::open(&config, Environment::Development, now).await;
    let store = store.expect("no other process has it open");
    let mini = RelayName::parse("mini").expect("a name");
    for id in ids {
        let written = store.write_command(&mini, id, &CommandBody::Ping, now);
        assert!(written.await.expect("written"));
    }
    store.close().await;
}

#[tokio::test]
async fn attention_lists_bubbles_until_they_are_resolved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    write_pings(folder, &["cmd_a", "cmd_b", "cmd_c"]).await;
    let serving = Serving::start(folder, &VARIABLES);
    let acks = json!([
        { "id": "cmd_a", "state": "unknown", "code": "timed_out", "at": 1_790_000_000 },
        { "id": "cmd_b", "state": "failed", "code": "unsupported", "at": 1_790_000_001 },
        { "id": "cmd_c", "state": "sent", "at": 1_790_000_002 },
    ]);
    let body = json!({ "instance_id": "one", "acks": acks });
    assert_eq!(pull(&serving, "pull_1", &body), 200);
    let listed = run(folder, &["attention", "list", "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    assert_eq!(
        listed[0],
        json!({
            "id": "cmd_a.0", "kind": "bubble", "relay": "mini", "state": "unknown",
            "code": "timed_out", "since": 1_790_000_000, "conversation_id": null,
            "chat_guid": null, "line": null,
        })
    );
    let lines = run(folder, &["attention", "list"]);
    let lines = lines.expect_code(0);
    assert!(
        lines.contains("cmd_b.0") && lines.contains("failed (unsupported)"),
        "{lines}"
    );
    run(folder, &["attention", "resolve", "cmd_a.0"]).expect_code(0);
    let again = run(folder, &["attention", "resolve", "cmd_a.0", "cmd_b.0"]);
    again.expect(1, &["not on the list: cmd_a.0"]);
    run(folder, &["attention", "resolve", "nonsense"]).expect(2, &["no id of `attention list`"]);
    run(folder, &["attention", "resolve"]).expect_code(2);
    let none = run(folder, &["attention", "list"]);
    none.expect_code(0);
    none.expect_err("nothing needs attention");
    // Messages sends late: what was resolved comes back only with another state that needs attention.
    let late = json!({ "instance_id": "one", "acks": [{ "id": "cmd_a", "state": "failed" }] });
    assert_eq!(pull(&serving, "pull_2", &late), 200);
    run(folder, &["attention", "resolve", "--all"]).expect_err("resolved: 1");
    assert_eq!(
        run(folder, &["attention", "list", "--json"]).json(),
        json!([])
    );
}

#[test]
fn a_line_moves_to_another_relay_and_a_relay_to_another_mac() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let serving = Serving::start(folder, &VARIABLES);
    run(folder, &["line", "list"]).expect_err("no relay has reported a line");
    let lines = json!([{ "name": "+15550100100", "addresses": ["me@example.com"] }]);
    let body = json!({ "instance_id": "old", "status": { "lines": lines } });
    assert_eq!(pull(&serving, "pull_1", &body), 200);
    let listed = run(folder, &["line", "list", "--json"]).json();
    assert_eq!(listed[0]["address"], "+15550100100");
    assert_eq!(
        (&listed[1]["relay"], listed[1]["since"].is_i64()),
        (&json!("mini"), true)
    );
    let move_line = |relay: &str, address: &str| {
        let mut command = backend(folder, &VARIABLES);
        Run::with_input(command.args(["line", "move", relay]), address)
    };
    move_line("default", "me@example.com").expect(1, &["no relay called default"]);
    move_line("mini", "you@example.com\n").expect(1, &["no relay has reported this address"]);
    let moved = move_line("mini", "E:Me@Example.com\n");
    moved.expect_code(0);
    moved.expect_err("mini answers the line from now on (2 addresses)");

    let new = json!({ "instance_id": "new" });
    assert_eq!(pull(&serving, "pull_2", &new), 409);
    run(folder, &["relay", "move", "mini"]).expect_err("another Mac may take the name mini now");
    assert_eq!(
        pull(&serving, "pull_3", &json!({ "instance_id": "old" })),
        409
    );
    assert_eq!(pull(&serving, "pull_4", &new), 200);
    run(folder, &["relay", "move", "none"]).expect(1, &["no relay called none"]);
}
