//! A relay's name goes from one Mac to another, with two relays and one backend: each message is answered once, on the
//! Mac that has the name.

use std::path::PathBuf;
use std::process::Command;

use archety_harness::{
    Backend, BackendDatabase, BackendStore, Binaries, Mac, Relay, Secret, now_micros,
};
use messages_stand_in::osascript::{Control, Mode};
use messages_stand_in::{Date, NewMessage, Style};
use test_process::{Run, wait_until};

const ADA: &str = "+15550100001";
const BOB: &str = "+15550100002";
const EVE: &str = "+15550100003";

/// A backend, and the folder of everything.
struct Setup {
    folder: tempfile::TempDir,
    binaries: Binaries,
    secret: Secret,
    backend: Backend,
}

/// A Mac with a relay.
struct Host {
    mac: Mac,
    osascript: Control,
    program: PathBuf,
    folder: PathBuf,
    binaries: Binaries,
    secret: Secret,
    url: String,
    relay: Option<Relay>,
}

impl Setup {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let binaries = Binaries::beside_this_program().expect("binaries");
        let secret = Secret::default();
        let backend = Backend::start(
            &binaries,
            &BackendStore::Sqlite(folder.path().join("backend.db")),
            &secret,
            0,
            &[("RESPONDER", "canned"), ("TURN_QUIET_MS", "100")],
            &folder.path().join("backend.log"),
        )
        .expect("a backend");
        Self {
            folder,
            binaries,
            secret,
            backend,
        }
    }

    fn host(&self, name: &str) -> Host {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).expect("a folder");
        let mac = Mac::create(&folder, Style::Sequoia).expect("a chat.db");
        let osascript = Control::beside(mac.chat_db());
        let program = osascript
            .install(&folder, &self.binaries.messages_stand_in())
            .expect("installed");
        Host {
            mac,
            osascript,
            program,
            folder,
            binaries: self.binaries.clone(),
            secret: self.secret.clone(),
            url: self.backend.url(),
            relay: None,
        }
    }

    /// The states of the bubbles of the replies to a person, in order.
    fn states(&self, person: &str) -> Vec<String> {
        let database = BackendDatabase::open(&self.folder.path().join("backend.db"));
        let bubbles = database.expect("the database").reply_bubbles();
        let bubbles = bubbles.expect("rows").into_iter();
        bubbles
            .filter(|bubble| bubble.chat.ends_with(person))
            .map(|bubble| bubble.state)
            .collect()
    }

    /// Waits until the backend knows that Messages has sent the reply to a person.
    fn wait_until_settled(&self, person: &str) {
        wait_until("the reply is settled", || {
            let states = self.states(person);
            let is_settled = |state: &String| ["sent", "delivered"].contains(&&**state);
            !states.is_empty() && states.iter().all(is_settled)
        });
    }
}

impl Host {
    fn start(&mut self, crash_at: Option<&str>) {
        let program = self.program.to_string_lossy().into_owned();
        let mut env = vec![("ARCHETY_OSASCRIPT", &*program)];
        env.extend(crash_at.map(|point| ("ARCHETY_CRASH_AT", point)));
        let relay = Relay::start(
            &self.binaries,
            self.mac.chat_db(),
            &self.folder.join("state"),
            &self.url,
            &self.secret,
            &env,
            &self.folder.join("relay.log"),
        );
        self.relay = Some(relay.expect("a relay"));
    }

    fn start_reading(&mut self) {
        self.start(None);
        self.wait_until_reading();
    }

    /// A new relay reads once it has the name.
    fn wait_until_reading(&mut self) {
        let state = self.folder.join("state");
        let relay = self.relay.as_mut().expect("started");
        relay.wait_until_reading(&state).expect("the relay reads");
    }

    fn wait_for_the_end(&mut self) {
        let process = &mut self.relay.as_mut().expect("started").process;
        wait_until("the relay has ended", || {
            process.ended().expect("a child process").is_some()
        });
        self.relay = None;
    }

    fn command(&self, args: &[&str]) -> Run {
        let mut command = Command::new(self.binaries.relay());
        command
            .args(args)
            .env_clear()
            .env("ARCHETY_STATE_DIR", self.folder.join("state"))
            .env("ARCHETY_CHAT_DB", self.mac.chat_db())
            .env("ARCHETY_BACKEND_URL", &self.url)
            .env("RELAY_WEBHOOK_SECRET", &self.secret.0)
            .env("XDG_CONFIG_HOME", &self.folder)
            .current_dir(&self.folder);
        Run::of(&mut command)
    }

    /// Writes a message of a person. Its guid is unique among the Macs: each stand-in counts its own guids from one.
    fn receive(&mut self, person: &str, text: &str) {
        let (chat, handle) = self.mac.ensure_direct_chat(person).expect("a chat");
        let micros = now_micros();
        let guid = format!("{}-{micros}", self.mac.chat_db().display());
        let message = NewMessage::incoming(handle, Date::from_unix_micros(micros));
        let message = message.text(text).guid(&guid);
        self.mac.messages.deliver(chat, &message).expect("a row");
    }

    /// How many texts Messages has sent to the person.
    fn sent(&self, person: &str) -> usize {
        let calls = self.osascript.calls().expect("the log");
        calls
            .iter()
            .filter(|call| call.chat.ends_with(person) && call.handed_over.is_some())
            .count()
    }

    fn wait_until_sent(&self, person: &str, count: usize) {
        wait_until("the reply is sent", || self.sent(person) >= count);
    }
}

#[test]
fn a_relay_moves_to_another_mac_and_back() {
    let setup = Setup::new();
    let (mut old, mut new) = (setup.host("old"), setup.host("new"));
    old.start_reading();
    old.receive(ADA, "one");
    setup.wait_until_settled(ADA);
    let out = old.command(&["move", "--out"]);
    out.expect_code(0);
    out.expect_err("this Mac has given the name up");
    let states = setup.states(ADA);
    assert!(
        ["sent", "delivered"].contains(&&*states[0]) && states.len() == 1,
        "the reply was settled first: {states:?}"
    );
    let repeated = old.command(&["move", "--out"]);
    repeated.expect_code(0);

    // The old relay still runs.
    let taking = new.command(&["move", "--in"]);
    taking.expect_code(0);
    taking.expect_err("the relay takes the name when it starts");
    new.start_reading();
    new.command(&["move", "--in"]).expect_code(0);
    old.receive(EVE, "three");
    new.receive(BOB, "two");
    setup.wait_until_settled(BOB);
    assert_eq!(
        setup.states(EVE),
        [] as [&str; 0],
        "the old relay posts nothing"
    );
    let shown = old.command(&["status", "--json"]);
    assert_eq!(shown.json()["reasons"][0], "moved_away");
    let refused = old.command(&["move", "--in"]);
    refused.expect_code(1);
    refused.expect_err("use `archety-relay move --out` there");

    new.command(&["move", "--out"]).expect_code(0);
    old.command(&["move", "--in"]).expect_code(0);
    old.wait_until_sent(EVE, 1);
    new.receive(ADA, "four");
    old.receive(BOB, "five");
    old.wait_until_sent(BOB, 1);
    assert_eq!([ADA, BOB, EVE].map(|person| old.sent(person)), [1, 1, 1]);
    assert_eq!([ADA, BOB, EVE].map(|person| new.sent(person)), [0, 1, 0]);
}

#[test]
fn a_move_goes_on_after_the_relay_was_killed_at_any_step() {
    for point in ["before_release", "release_begun", "released", "left"] {
        let setup = Setup::new();
        let (mut old, mut new) = (setup.host("old"), setup.host("new"));
        old.start_reading();
        old.receive(ADA, "one");
        setup.wait_until_settled(ADA);
        old.relay = None;
        old.start(Some(&format!("{point}:1")));
        old.command(&["move", "--out"]);
        old.wait_for_the_end();
        let stopped = old.command(&["move", "--out"]);
        if point == "left" {
            stopped.expect_code(0);
        } else {
            stopped.expect_code(1);
            stopped.expect_err("start it with `archety-relay run`");
        }
        old.start(None);
        old.command(&["move", "--out"]).expect_code(0);
        new.start_reading();
        new.command(&["move", "--in"]).expect_code(0);
        new.receive(BOB, "two");
        new.wait_until_sent(BOB, 1);
        assert_eq!((old.sent(ADA), old.sent(BOB)), (1, 0), "{point}");
    }
}

#[test]
fn a_mac_takes_the_name_although_it_is_killed_at_any_step() {
    for point in ["name_taken", "taken_noted"] {
        let setup = Setup::new();
        let (mut old, mut new) = (setup.host("old"), setup.host("new"));
        old.start_reading();
        new.command(&["move", "--take", "--yes"]).expect_code(0);
        new.start(Some(&format!("{point}:1")));
        new.wait_for_the_end();
        new.start_reading();
        new.command(&["move", "--in"]).expect_code(0);
        new.receive(ADA, "one");
        new.wait_until_sent(ADA, 1);
        assert_eq!(old.sent(ADA), 0, "{point}");
    }
}

/// The old Mac is not dead: it is in the middle of a reply, and has the rest of it.
#[test]
fn a_mac_whose_name_was_taken_passes_nothing_on_any_more() {
    let setup = Setup::new();
    let (mut old, mut new) = (setup.host("old"), setup.host("new"));
    let slow = Mode::Slow { after_ms: 6_000 };
    old.osascript.set_default(&slow).expect("written");
    old.start_reading();
    new.start(None);
    wait_until("the new Mac is refused", || {
        let status = new.command(&["status", "--json"]);
        status.out.contains("relay_elsewhere")
    });
    new.command(&["move", "--in"]).expect_code(1);
    old.receive(ADA, "5 bubbles");
    wait_until("the first bubble is under way", || {
        let calls = old.osascript.calls().expect("the log");
        calls.iter().any(|call| call.text_sha256.is_some())
    });
    new.command(&["move", "--take"]).expect_code(1);
    let taken = new.command(&["move", "--take", "--yes"]);
    taken.expect_code(0);
    new.wait_until_reading();
    new.receive(BOB, "two");
    new.wait_until_sent(BOB, 1);
    wait_until("what is left is listed", || {
        setup.states(ADA) == ["unknown"; 5]
    });
    old.wait_until_sent(ADA, 1);
    let status = old.command(&["status", "--json"]);
    assert_eq!(status.json()["reasons"][0], "relay_elsewhere");
    // The pause before a second bubble is at most 4.8 s.
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!((old.sent(ADA), new.sent(ADA)), (1, 0));
}
