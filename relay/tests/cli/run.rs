//! `run`: one relay runs on a state, and a signal or a panic ends it in order.

use archety_relay::state::State;
use std::time::Duration;
use test_process::{Signal, wait_until};

use super::*;

const GREETING: &str = r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"message","chat":"ann","from":"+15550100001","text":"hello"}
"#;

#[test]
fn the_relay_ends_with_code_0_within_five_seconds_of_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::with_chat_db(GREETING);
        let mut relay = home.start_run(&[]);
        relay.signal(signal).expect("sent");
        let code = relay.wait(Duration::from_secs(5)).expect("it ends soon");
        assert_eq!(code, Some(0));
        assert!(!State::relay_runs(&home.path("state")));
    }
}

#[test]
fn a_second_relay_on_the_same_state_is_refused_and_the_first_goes_on() {
    let home = Home::with_chat_db(GREETING);
    let mut first = home.start_run(&[]);
    let second = home.relay(&["run"]);
    second.expect_code(75);
    second.expect_err("another archety-relay already runs");
    assert!(State::relay_runs(&home.path("state")));
    assert_eq!(first.terminate().expect("it ends"), Some(0));
}

#[test]
fn without_a_database_the_relay_waits_and_logs_that() {
    let home = Home::new();
    let mut relay = home.start_run(&[]);
    relay.wait_for("chat_db_missing");
    assert_eq!(relay.terminate().expect("it ends"), Some(0));
}

#[test]
fn a_state_of_a_newer_version_is_refused() {
    let home = Home::with_chat_db(GREETING);
    drop(home.state());
    let state = rusqlite::Connection::open(home.path("state/state.db")).expect("open");
    state
        .pragma_update(None, "user_version", 9999)
        .expect("written");
    drop(state);
    for command in [["run", "--log=info"], ["outbox", "list"]] {
        let run = home.relay(&command);
        run.expect_code(78);
        run.expect_err("9999");
    }
}

#[test]
fn a_loop_that_panics_ends_the_relay_with_code_75() {
    for (point, name) in [
        ("read", "the reader of chat.db"),
        ("send", "the sender"),
        ("pull", "the pull"),
        ("vitals", "the writer of the liveness record"),
        ("clean", "the cleaner of the outbox"),
    ] {
        let home = Home::with_chat_db(GREETING);
        let mut command = home.command(&["run"]);
        command.env("ARCHETY_CRASH_AT", format!("{point}:1:panic"));
        let run = Run::of(&mut command);
        // With KeepAlive {SuccessfulExit: false}, launchd starts the relay again after every code but 0.
        run.expect_code(75);
        run.expect_err(&format!("{name} panicked"));
        run.expect_err("panicked at=");
        assert!(
            !run.err.contains("thread '"),
            "the panic's message is not printed: {run:?}"
        );
        assert!(!State::relay_runs(&home.path("state")));
        let wal = std::fs::metadata(home.path("state/state.db-wal"));
        let wal_bytes = wal.map_or(0, |wal| wal.len());
        assert_eq!(wal_bytes, 0, "the WAL was moved into the file: {run:?}");
        // The next start works.
        assert_eq!(home.start_run(&[]).terminate().expect("it ends"), Some(0));
    }
}

#[test]
fn a_row_that_makes_the_relay_panic_is_quarantined_and_can_be_released() {
    let home = Home::with_chat_db(
        r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"message","chat":"ann","from":"+15550100001","text":"one"}
{"do":"message","chat":"ann","from":"+15550100001","text":"two"}
{"do":"message","chat":"ann","from":"+15550100001","text":"three"}
"#,
    );
    let variables = [
        ("ARCHETY_CRASH_AT", "row:2:panic"),
        ("ARCHETY_AUTH", "bearer"),
    ];
    let mut relay = home.start_run_with(&["--since=1h"], &variables);
    relay.wait_for("a row makes this relay panic");
    // The relay panics over the row once and holds it without a body, as `unread`. Then the comparison of recent
    // rows reads the row without a panic, and the row is listed as `late`.
    wait_until("the row is held", || {
        let listed = home.relay(&["quarantine", "list", "--json"]).json();
        listed[0]["kind"] == "late" && listed[0]["reason"] == "relay_panicked"
    });
    let posts = || home.relay(&["outbox", "list", "--json"]).json();
    assert_eq!(posts().as_array().map(Vec::len), Some(2), "{}", posts());
    home.relay(&["quarantine", "release", "1"]).expect_code(0);
    assert_eq!(posts().as_array().map(Vec::len), Some(3), "{}", posts());
    assert_eq!(relay.terminate().expect("it ends"), Some(0));
}

#[test]
fn the_error_of_replay_names_the_program_that_took_its_place() {
    let home = Home::new();
    for args in [
        &["replay"][..],
        &["replay", "--dry-run", "case.jsonl"],
        &["replay", "-", "--to", "http://127.0.0.1:9"],
        &["replay", "--help"],
    ] {
        let run = home.relay(args);
        assert_eq!(run.expect_code(2), "", "{args:?}");
        run.expect_err("`archety-replay`");
    }
}
