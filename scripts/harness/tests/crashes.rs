//! Relay or backend is killed at each durable step while a thousand messages are delivered.
//!
//! Each crash point lies between two durable steps on the way from chat.db to the backend's database.
//! One of the two programs is killed at its point several times, and started again each time. At the
//! end every message has to be stored once, and the messages of a chat in the order of writing.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use archety_harness::{Backend, BackendDatabase, BackendStore, Binaries, Mac, Relay, Secret};
use messages_stand_in::Style;
use test_process::Running;

const MESSAGES: usize = 1_000;
const CHATS: usize = 7;

/// The program that is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Relay,
    Backend,
}

#[test]
fn relay_killed_after_rows_are_read() {
    deliver_while_killing(Victim::Relay, "rows_read", &[1, 2, 3]);
}

#[test]
fn relay_killed_after_rows_and_cursor_are_committed() {
    deliver_while_killing(Victim::Relay, "rows_committed", &[1, 2, 3]);
}

#[test]
fn relay_killed_before_it_posts() {
    deliver_while_killing(Victim::Relay, "before_post", &[1, 150, 300]);
}

#[test]
fn relay_killed_between_the_answer_and_the_record_of_the_delivery() {
    deliver_while_killing(Victim::Relay, "answered", &[1, 100, 250]);
}

#[test]
fn relay_killed_after_it_records_deliveries() {
    deliver_while_killing(Victim::Relay, "marked", &[1, 5, 10]);
}

#[test]
fn backend_killed_before_it_stores() {
    deliver_while_killing(Victim::Backend, "before_store", &[1, 150, 300]);
}

#[test]
fn backend_killed_between_commit_and_answer() {
    deliver_while_killing(Victim::Backend, "stored", &[1, 150, 300]);
}

#[test]
fn both_killed_at_random_times() {
    let mut delivery = Delivery::new();
    delivery.start_backend(None);
    delivery.start_relay(None);
    delivery.wait_until_reading();
    for round in 0..10_u64 {
        delivery.receive(MESSAGES / 10);
        // A different delay in each round, the same in every run of the test.
        std::thread::sleep(Duration::from_millis(3 + round * 7 % 23));
        if round % 2 == 0 {
            delivery.restart(Victim::Relay, None);
        } else {
            delivery.restart(Victim::Backend, None);
        }
    }
    delivery.expect_everything_once();
}

/// Delivers a thousand messages while `victim` is killed at `point` several times. For each number n in
/// `occurrences` the victim is started anew, and killed when it reaches the point for the nth time.
fn deliver_while_killing(victim: Victim, point: &str, occurrences: &[u32]) {
    let mut delivery = Delivery::new();
    delivery.start_backend(None);
    delivery.start_relay(None);
    delivery.wait_until_reading();
    let share = MESSAGES / (occurrences.len() + 1);
    for occurrence in occurrences {
        let crash_at = format!("{point}:{occurrence}");
        delivery.restart(victim, Some(&crash_at));
        // The test fails if the victim never reaches its crash point.
        let deadline = Instant::now() + Duration::from_mins(1);
        let mut received = 0;
        while !delivery.has_ended(victim) {
            assert!(
                Instant::now() < deadline,
                "{victim:?} never reached {crash_at}"
            );
            if received >= share {
                // On a busy machine the relay reads several messages at once, and the point is reached less often
                // than there are messages. Each further message makes the victim reach the point once more.
                std::thread::sleep(Duration::from_millis(20));
            }
            delivery.receive(1);
            received += 1;
        }
        delivery.receive(share.saturating_sub(received));
        delivery.restart(victim, None);
    }
    delivery.receive(MESSAGES.saturating_sub(delivery.expected.len()));
    delivery.expect_everything_once();
}

/// Relay, backend and chat.db of one test, and the messages that were written.
struct Delivery {
    folder: tempfile::TempDir,
    binaries: Binaries,
    secret: Secret,
    mac: Mac,
    /// The backend's port; 0 until the backend was started once.
    port: u16,
    backend: Option<Backend>,
    relay: Option<Relay>,
    /// Sender and text of each written message.
    expected: Vec<(String, String)>,
}

impl Delivery {
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
        let env = crash_at.map(|point| ("ARCHETY_CRASH_AT", point));
        let store = BackendStore::Sqlite(self.path("backend.db"));
        let log = self.path("backend.log");
        let backend = Backend::start(
            &self.binaries,
            &store,
            &self.secret,
            self.port,
            env.as_slice(),
            &log,
        )
        .expect("a backend");
        self.port = backend.port();
        self.backend = Some(backend);
    }

    fn start_relay(&mut self, crash_at: Option<&str>) {
        self.relay = None;
        let env = crash_at.map(|point| ("ARCHETY_CRASH_AT", point));
        let url = format!("http://127.0.0.1:{}", self.port);
        let (state, log) = (self.path("relay"), self.path("relay.log"));
        let relay = Relay::start(
            &self.binaries,
            self.mac.chat_db(),
            &state,
            &url,
            &self.secret,
            env.as_slice(),
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
            .expect("the relay reads");
    }

    fn process(&mut self, victim: Victim) -> &mut Running {
        match victim {
            Victim::Relay => &mut self.relay.as_mut().expect("started").process,
            Victim::Backend => &mut self.backend.as_mut().expect("started").process,
        }
    }

    fn has_ended(&mut self, victim: Victim) -> bool {
        let ended = self.process(victim).ended();
        ended.expect("a child process").is_some()
    }

    /// Kills a program if it still runs, and starts it again.
    fn restart(&mut self, victim: Victim, crash_at: Option<&str>) {
        self.process(victim).kill().expect("killed");
        match victim {
            Victim::Relay => self.start_relay(crash_at),
            Victim::Backend => self.start_backend(crash_at),
        }
    }

    /// Writes `count` further messages to chat.db, from each person in turn.
    fn receive(&mut self, count: usize) {
        for _ in 0..count {
            let n = self.expected.len();
            let person = format!("+1555010{:04}", n * 31 % CHATS);
            let text = format!("message {n}");
            self.mac.receive(&person, &text).expect("a row");
            self.expected.push((person, text));
        }
    }

    /// Waits until the backend has stored as many messages as were written, and compares them.
    fn expect_everything_once(&self) {
        let database = BackendDatabase::open(&self.path("backend.db")).expect("the database");
        let deadline = Instant::now() + Duration::from_secs(90);
        while database.count().expect("a count") < self.expected.len() as u64 {
            assert!(
                Instant::now() < deadline,
                "stored {} of {}; relay's log:\n{}",
                database.count().expect("a count"),
                self.expected.len(),
                std::fs::read_to_string(self.path("relay.log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        // Messages that are stored twice would arrive in this time.
        std::thread::sleep(Duration::from_millis(300));
        let by_sender = |messages: &[(String, String)]| {
            let mut chats: HashMap<String, Vec<String>> = HashMap::new();
            for (sender, text) in messages {
                chats.entry(sender.clone()).or_default().push(text.clone());
            }
            chats
        };
        let stored: Vec<_> = database
            .all()
            .expect("rows")
            .into_iter()
            .map(|message| (message.sender, message.text))
            .collect();
        assert_eq!(stored.len(), self.expected.len(), "lost or doubled");
        assert_eq!(
            by_sender(&stored),
            by_sender(&self.expected),
            "order per chat"
        );
    }
}
