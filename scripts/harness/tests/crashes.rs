//! Relay and backend killed at every durable step while a thousand messages flow.
//!
//! For each point of the path from chat.db to the backend's store one of the two dies there, again and
//! again, and is started anew. In the end every message is stored once, and those of a chat in the
//! order in which they were written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use archety_harness::{Backend, BackendStore, Binaries, Mac, Relay, Secret, Stored};
use messages_stand_in::Style;

const MESSAGES: usize = 1_000;
const CHATS: usize = 7;

/// Which process dies, and at which pass of the point.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Relay,
    Backend,
}

#[test]
fn killed_after_rows_are_read() {
    survives(Victim::Relay, "rows_read", &[1, 2, 3]);
}

#[test]
fn killed_after_rows_and_cursor_are_committed() {
    survives(Victim::Relay, "rows_committed", &[1, 2, 3]);
}

#[test]
fn killed_before_a_message_is_posted() {
    survives(Victim::Relay, "before_post", &[1, 150, 300]);
}

#[test]
fn killed_between_the_answer_and_its_mark() {
    survives(Victim::Relay, "answered", &[1, 100, 250]);
}

#[test]
fn killed_after_deliveries_are_marked() {
    survives(Victim::Relay, "marked", &[1, 5, 10]);
}

#[test]
fn backend_killed_before_it_stores() {
    survives(Victim::Backend, "before_store", &[1, 150, 300]);
}

#[test]
fn backend_killed_between_commit_and_answer() {
    survives(Victim::Backend, "stored", &[1, 150, 300]);
}

#[test]
fn both_killed_at_random_times() {
    let mut run = Run::new();
    run.start_backend(None);
    run.start_relay(None);
    run.wait_until_reading();
    for round in 0..10_u64 {
        run.receive(MESSAGES / 10);
        // Every round another offset into the flow, the same in every run.
        std::thread::sleep(Duration::from_millis(3 + round * 7 % 23));
        if round % 2 == 0 {
            run.relay.as_mut().expect("started").kill().expect("killed");
            run.start_relay(None);
        } else {
            run.backend
                .as_mut()
                .expect("started")
                .kill()
                .expect("killed");
            run.start_backend(None);
        }
    }
    run.expect_everything_once();
}

/// Lets a thousand messages flow while `victim` dies at `point`, each time at the next of `passes`.
fn survives(victim: Victim, point: &str, passes: &[u32]) {
    let mut run = Run::new();
    run.start_backend(None);
    run.start_relay(None);
    run.wait_until_reading();
    let share = MESSAGES / (passes.len() + 1);
    for pass in passes {
        let armed = format!("{point}:{pass}");
        match victim {
            Victim::Relay => {
                run.relay.as_mut().expect("started").kill().expect("killed");
                run.start_relay(Some(&armed));
            }
            Victim::Backend => {
                run.backend
                    .as_mut()
                    .expect("started")
                    .kill()
                    .expect("killed");
                run.start_backend(Some(&armed));
            }
        }
        // Until it dies: a point that is never reached would prove nothing.
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut received = 0;
        while !run.has_died(victim) {
            assert!(
                Instant::now() < deadline,
                "{victim:?} never reached {armed}"
            );
            if received < share {
                run.receive(1);
                received += 1;
            } else {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        run.receive(share - received);
        match victim {
            Victim::Relay => run.start_relay(None),
            Victim::Backend => run.start_backend(None),
        }
    }
    run.receive(MESSAGES - run.expected.len());
    run.expect_everything_once();
}

struct Run {
    folder: tempfile::TempDir,
    binaries: Binaries,
    secret: Secret,
    mac: Mac,
    port: u16,
    backend: Option<Backend>,
    relay: Option<Relay>,
    /// What was written, per chat.
    expected: Vec<(String, String)>,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mac = Mac::create(folder.path(), Style::Sequoia).expect("a chat.db");
        Self {
            binaries: Binaries::beside_this_program().expect("binaries"),
            secret: Secret::default(),
            mac,
            port: 0,
            backend: None,
            relay: None,
            expected: Vec::new(),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start_backend(&mut self, crash_at: Option<&str>) {
        self.backend = None;
        let env: Vec<_> = crash_at
            .map(|point| ("ARCHETY_CRASH_AT", point))
            .into_iter()
            .collect();
        let store = BackendStore::Sqlite(self.path("backend.db"));
        let log = self.path("backend.log");
        let backend = Backend::start(&self.binaries, &store, &self.secret, self.port, &env, &log)
            .expect("a backend");
        self.port = backend.port();
        self.backend = Some(backend);
    }

    fn start_relay(&mut self, crash_at: Option<&str>) {
        self.relay = None;
        let env: Vec<_> = crash_at
            .map(|point| ("ARCHETY_CRASH_AT", point))
            .into_iter()
            .collect();
        let url = format!("http://127.0.0.1:{}", self.port);
        let (state, log) = (self.path("relay"), self.path("relay.log"));
        let relay = Relay::start(
            &self.binaries,
            self.mac.chat_db(),
            &state,
            &url,
            &self.secret,
            &env,
            &log,
        );
        self.relay = Some(relay.expect("a relay"));
    }

    fn wait_until_reading(&mut self) {
        let state = self.path("relay");
        self.relay
            .as_mut()
            .expect("started")
            .wait_until_reading(&state)
            .expect("it reads");
    }

    fn has_died(&mut self, victim: Victim) -> bool {
        let ended = match victim {
            Victim::Relay => self.relay.as_mut().expect("started").ended(),
            Victim::Backend => self.backend.as_mut().expect("started").ended(),
        };
        ended.expect("a child process").is_some()
    }

    fn receive(&mut self, count: usize) {
        for _ in 0..count {
            let n = self.expected.len();
            let person = format!("+1555010{:04}", n * 31 % CHATS);
            let text = format!("message {n}");
            self.mac.receive(&person, &text).expect("a row");
            self.expected.push((person, text));
        }
    }

    fn expect_everything_once(&self) {
        let stored = Stored::open(&self.path("backend.db")).expect("the store");
        let deadline = Instant::now() + Duration::from_secs(90);
        while stored.count().expect("a count") < self.expected.len() as u64 {
            assert!(
                Instant::now() < deadline,
                "stored {} of {}; relay's log:\n{}",
                stored.count().expect("a count"),
                self.expected.len(),
                std::fs::read_to_string(self.path("relay.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        // Doubles, if there were any, would come behind.
        std::thread::sleep(Duration::from_millis(300));
        let by_sender = |messages: &[(String, String)]| {
            let mut chats: HashMap<String, Vec<String>> = HashMap::new();
            for (sender, text) in messages {
                chats.entry(sender.clone()).or_default().push(text.clone());
            }
            chats
        };
        let stored: Vec<_> = stored
            .all()
            .expect("rows")
            .into_iter()
            .map(|m| (m.sender, m.text))
            .collect();
        assert_eq!(stored.len(), self.expected.len(), "lost or doubled");
        assert_eq!(
            by_sender(&stored),
            by_sender(&self.expected),
            "order per chat"
        );
    }
}
