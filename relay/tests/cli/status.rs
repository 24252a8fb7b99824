//! `status` of a relay that runs, is stopped, cannot write its state, or has just started. Instead of waiting,
//! the tests set the time of the liveness record back while the relay cannot write a new record.

use archety_relay::lifecycle::liveness::Liveness;
use archety_relay::state::meta;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::backend::Backend;
use test_process::{Running, Signal, wait_until};

const GREETING: &str = r#"
{"do":"chat","id":"ann","with":["+15550100001"]}
{"do":"message","chat":"ann","from":"+15550100001","text":"hello"}
"#;

/// A running relay and its backend.
struct Mac {
    home: Home,
    backend: Backend,
    relay: Running,
}

impl Mac {
    /// Starts a relay and waits until it is well.
    fn start_well() -> Self {
        let (home, backend) = (Home::with_chat_db(GREETING), Backend::in_background());
        let relay = home.start_run(&["--since", "1h", "--backend-url", &backend.url]);
        let mac = Self {
            home,
            backend,
            relay,
        };
        wait_until("the relay reads and is answered", || {
            let status = mac.status();
            status["last_scan_at"].is_i64() && status["last_pull_at"].is_i64()
        });
        mac
    }

    fn status(&self) -> Value {
        let run = self.home.relay(&["status", "--json"]);
        let status = run.json();
        let code = i32::from(status["well"] != true);
        run.expect_code(code);
        status
    }

    /// The codes of the reasons why the relay is not well.
    #[track_caller]
    fn reasons(&self) -> Value {
        self.status()["reasons"].clone()
    }

    fn state(&self) -> Connection {
        let state = Connection::open(self.home.path("state/state.db")).expect("open");
        let wait = std::time::Duration::from_secs(30);
        state.busy_timeout(wait).expect("set");
        state
    }

    /// Makes the liveness record older by `secs`; a negative number moves its time into the future.
    fn age_record(&self, secs: i64) {
        let state = self.state();
        let mut liveness = Liveness::load(&state).expect("read").expect("written");
        liveness.written_at -= secs * 1_000_000;
        let json = serde_json::to_string(&liveness).expect("JSON");
        meta::set(&state, meta::LIVENESS, &json).expect("written");
    }
}

#[test]
fn a_relay_that_reads_and_is_answered_is_well() {
    let mut mac = Mac::start_well();
    assert_eq!(mac.reasons(), json!([]));
    let run = mac.home.relay(&["status"]);
    let out = run.expect_code(0);
    for expected in ["running", "last answered", "version 1.0.0, development"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    wait_until("the message is delivered", || {
        mac.backend.received().len() == 1
    });
    assert_eq!(mac.relay.terminate().expect("it ends"), Some(0));
    let run = mac.home.relay(&["status", "--json"]);
    run.expect_code(1);
    assert_eq!(run.json()["reasons"], json!(["not_running"]));
    let run = mac.home.relay(&["status"]);
    assert!(run.expect_code(1).contains("archety-relay run"), "{run:?}");
}

#[test]
fn a_suspended_process_is_not_well_until_it_continues() {
    let mut mac = Mac::start_well();
    mac.relay.signal(Signal::STOP).expect("sent");
    assert_eq!(mac.reasons(), json!([]), "nothing is overdue yet");
    mac.age_record(150);
    let status = mac.status();
    assert_eq!(status["reasons"], json!(["scan_overdue", "pull_overdue"]));
    assert_eq!(status["running"], true, "it holds its lock");
    let run = mac.home.relay(&["status"]);
    let out = run.expect_code(1);
    assert!(out.contains("chat.db was last read 15"), "{out}");
    assert!(
        out.contains("is stopped, hangs, or cannot write its state"),
        "{out}"
    );
    mac.relay.signal(Signal::CONT).expect("sent");
    wait_until("the relay is well again", || mac.reasons() == json!([]));
}

#[test]
fn a_relay_that_cannot_write_its_state_is_not_well() {
    let mut mac = Mac::start_well();
    // As on a full disk, the relay can write nothing, and `status` reads the old record.
    mac.relay.signal(Signal::STOP).expect("sent");
    mac.age_record(120);
    let state = mac.state();
    state
        .execute_batch("begin immediate")
        .expect("the write lock is taken");
    mac.relay.signal(Signal::CONT).expect("sent");
    assert_eq!(mac.reasons(), json!(["scan_overdue", "pull_overdue"]));
    state
        .execute_batch("rollback")
        .expect("the write lock is released");
    wait_until("the relay is well again", || mac.reasons() == json!([]));
    assert_eq!(mac.status()["delivery"]["trouble"], Value::Null);
}

#[test]
fn a_record_in_the_future_of_a_stopped_relay_is_reported() {
    let mut mac = Mac::start_well();
    mac.relay.signal(Signal::STOP).expect("sent");
    mac.age_record(-3600);
    assert_eq!(mac.reasons(), json!(["time_in_future"]));
    mac.relay.signal(Signal::CONT).expect("sent");
    wait_until("the relay is well again", || mac.reasons() == json!([]));
}

#[test]
fn a_new_relay_shows_that_it_waits_for_the_backend_and_why_there_is_no_answer() {
    let home = Home::with_chat_db(GREETING);
    let _relay = home.start_run(&[]);
    wait_until("the trouble is shown", || {
        let run = home.relay(&["status", "--json"]);
        run.code == Some(1) && run.json()["reasons"] == json!(["unreachable"])
    });
    let status = home.relay(&["status", "--json"]).json();
    assert_eq!(status["starting"], true);
    assert_eq!(status["waits_for_backend"], true);
    assert_eq!(status["last_scan_at"], Value::Null);
    let since = status["pull"]["since"].as_i64().expect("a time");
    let last = status["pull"]["text"].as_str().expect("a text");
    assert!(
        last.contains("http://127.0.0.1:9: connection refused"),
        "{last}"
    );
    assert!((0..60).contains(&(now() - since)), "Unix seconds: {since}");
    let run = home.relay(&["status"]);
    let out = run.expect_code(1);
    assert!(
        out.contains("waits for the backend's first answer"),
        "{out}"
    );
    assert!(out.contains("starting"), "{out}");
}

#[test]
fn with_bearer_the_status_expects_no_pull() {
    let home = Home::with_chat_db(GREETING);
    home.relay(&["status"]).expect_code(1);
    let _relay = home.start_run(&["--since", "1h", "--auth", "bearer"]);
    wait_until("the status shows the trouble of the backend", || {
        let status = home.relay(&["status", "--json"]);
        status.code == Some(1) && status.json()["reasons"] == json!(["unreachable"])
    });
    let status = home.relay(&["status", "--json"]).json();
    assert_eq!(status["outbox"]["pending"], 1);
    assert_eq!(status["delivery"]["trouble"], "unreachable");
    assert!(
        home.relay(&["status"])
            .out
            .contains("none (auth is bearer)")
    );
}

#[test]
fn a_trouble_of_the_last_run_is_not_shown() {
    let backend = Backend::in_background();
    let home = Home::with_chat_db(GREETING);
    let mut relay = home.start_run(&["--since", "1h", "--auth", "bearer"]);
    wait_until("the trouble is shown", || {
        home.relay(&["status", "--json"]).json()["delivery"]["trouble"] == "unreachable"
    });
    assert_eq!(relay.terminate().expect("it ends"), Some(0));
    let _relay = home.start_run(&["--backend-url", &backend.url]);
    wait_until("the message is delivered and all is well", || {
        home.relay(&["status", "--json"]).code == Some(0) && backend.received().len() == 1
    });
}

fn now() -> i64 {
    use archety_relay::clock::{Clock, SystemClock};
    SystemClock.now().as_secs()
}
