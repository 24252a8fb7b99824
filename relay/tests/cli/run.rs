//! `run`: that there is one of it, and that it ends when asked.

use archety_relay::state::State;
use rustix::process::Signal;
use std::time::Duration;

use super::*;
use crate::home::wait_until;

const GREETING: &str = r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"message","chat":"ann","from":"+15550100001","text":"hello"}
"#;

#[test]
fn it_ends_soon_when_asked_and_nothing_was_wrong() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = Home::with_chat_db(GREETING);
        let relay = home.running(&[]);
        let (code, took) = relay.ends_by(signal);
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(!State::relay_runs(&home.path("state")));
    }
}

#[test]
fn a_second_one_on_the_same_state_is_sent_away_and_the_first_goes_on() {
    let home = Home::with_chat_db(GREETING);
    let first = home.running(&[]);
    let second = home.relay(&["run"]);
    second.ends_with(75);
    second.complains_of("another archety-relay already runs");
    assert!(State::relay_runs(&home.path("state")));
    assert_eq!(first.ends_by(Signal::TERM).0, Some(0));
}

#[test]
fn without_a_database_it_waits_and_says_so() {
    let home = Home::new();
    let mut relay = home.running(&[]);
    relay.says("chat_db_missing");
    assert_eq!(relay.ends_by(Signal::TERM).0, Some(0));
}

#[test]
fn a_state_of_a_newer_version_is_left_alone() {
    let home = Home::with_chat_db(GREETING);
    drop(home.state());
    let state = rusqlite::Connection::open(home.path("state/state.db")).expect("open");
    state
        .pragma_update(None, "user_version", 9999)
        .expect("written");
    drop(state);
    for command in [["run", "--log=info"], ["outbox", "list"]] {
        let run = home.relay(&command);
        run.ends_with(78);
        run.complains_of("9999");
    }
}

#[test]
fn a_loop_that_panics_ends_the_relay_in_order_and_lets_launchd_start_it_again() {
    for (point, name) in [
        ("read", "the reader of chat.db"),
        ("send", "the sender"),
        ("pull", "the pull"),
        ("vitals", "the writer of the signs of life"),
        ("clean", "the cleaner of the outbox"),
    ] {
        let home = Home::with_chat_db(GREETING);
        let mut command = home.command(&["run"]);
        command.env("ARCHETY_CRASH_AT", format!("{point}:1:panic"));
        let run: Run = command.output().expect("it starts").into();
        // KeepAlive {SuccessfulExit: false}: every code but 0 brings another start.
        run.ends_with(75);
        run.complains_of(&format!("{name} panicked by itself"));
        run.complains_of("panicked at=");
        assert!(!run.err.contains("thread '"), "what a panic says: {run:?}");
        assert!(!State::relay_runs(&home.path("state")));
        let wal = std::fs::metadata(home.path("state/state.db-wal"));
        let left = wal.map_or(0, |wal| wal.len());
        assert_eq!(left, 0, "the state is folded into its file: {run:?}");
        // And the next start works.
        assert_eq!(home.running(&[]).ends_by(Signal::TERM).0, Some(0));
    }
}

#[test]
fn a_row_that_panics_is_quarantined_and_the_relay_goes_on() {
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
    let mut relay = home.running_with(&["--since=1h"], &variables);
    relay.says("a row makes this relay panic");
    // It panics once: the comparison of recent rows reads the row again and puts its message in.
    wait_until("the row is held", || {
        let listed = home.relay(&["quarantine", "list", "--json"]).json();
        listed[0]["kind"] == "late" && listed[0]["reason"] == "relay_panicked"
    });
    let posts = || home.relay(&["outbox", "list", "--json"]).json();
    assert_eq!(posts().as_array().map(Vec::len), Some(2), "{}", posts());
    home.relay(&["quarantine", "release", "1"]).ends_with(0);
    assert_eq!(posts().as_array().map(Vec::len), Some(3), "{}", posts());
    assert_eq!(relay.ends_by(Signal::TERM).0, Some(0));
}

#[test]
fn replaying_is_told_to_be_another_program() {
    let home = Home::new();
    for args in [
        &["replay"][..],
        &["replay", "--dry-run", "case.jsonl"],
        &["replay", "-", "--to", "http://127.0.0.1:9"],
        &["replay", "--help"],
    ] {
        let run = home.relay(args);
        assert_eq!(run.ends_with(2), "", "{args:?}");
        run.complains_of("`archety-replay`");
    }
}
