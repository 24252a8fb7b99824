//! A Mac, a relay and a backend that can be killed and started again at any time.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context;
use archety_harness::{Backend, BackendStore, Binaries, Mac, Relay, Secret};
use messages_stand_in::Style;
use messages_stand_in::osascript::Control;
use serde_json::Value;
use tempfile::TempDir;
use test_process::Run;

use crate::database::Database;
use crate::ledger::{self, Ledger};

/// Number of lines on which people write.
const LINES: usize = 8;
/// The own address of a further line, from which the stand-in sends by mistake.
pub(crate) const OTHER_LINE: &str = "+15550008888";
/// The quiet gap of turns, divided as the relay's times are.
const QUIET_MS: &str = "20";

/// The own address of one of the lines; they take turns as `n` grows.
pub(crate) fn line(n: usize) -> String {
    format!("+1555000{:04}", n % LINES)
}

/// The programs of one scenario and their files.
pub(crate) struct Stage {
    folder: TempDir,
    binaries: Binaries,
    secret: Secret,
    store: BackendStore,
    pub(crate) mac: Mac,
    pub(crate) osascript: Control,
    osascript_link: PathBuf,
    /// The backend's port; 0 until a backend was started once.
    port: u16,
    pub(crate) backend: Option<Backend>,
    pub(crate) relay: Option<Relay>,
}

impl Stage {
    /// A Mac with an empty chat.db. Without a store the backend gets a new `SQLite` file.
    pub(crate) fn new(binaries: &Binaries, store: Option<BackendStore>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("archety-faults-")
            .tempdir()?;
        let mac = Mac::create(folder.path(), Style::Tahoe)?;
        let osascript = Control::beside(mac.chat_db());
        let osascript_link = osascript.install(folder.path(), &binaries.messages_stand_in())?;
        let sqlite = || BackendStore::Sqlite(folder.path().join("backend.db"));
        Ok(Self {
            store: store.unwrap_or_else(sqlite),
            binaries: binaries.clone(),
            secret: Secret::default(),
            mac,
            osascript,
            osascript_link,
            port: 0,
            backend: None,
            relay: None,
            folder,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of the relay's state.
    pub(crate) fn relay_state(&self) -> PathBuf {
        self.path("relay")
    }

    /// Sets the port at which the relay finds the backend.
    pub(crate) fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    /// Starts the backend, at the port that it had before. With `crash_at` it dies at that crash point.
    pub(crate) fn start_backend(&mut self, crash_at: Option<&str>) -> anyhow::Result<()> {
        self.backend = None;
        let backend = self.backend_at(self.port, crash_at)?;
        self.port = backend.port();
        self.backend = Some(backend);
        Ok(())
    }

    /// A backend on the database of the stage. With the port 0 the system picks one.
    pub(crate) fn backend_at(&self, port: u16, crash_at: Option<&str>) -> anyhow::Result<Backend> {
        let mut environment = vec![("TURN_QUIET_MS", QUIET_MS)];
        environment.extend(crash_at.map(|point| ("ARCHETY_CRASH_AT", point)));
        self.backend_with(port, &environment)
    }

    /// A backend on the database of the stage, with these variables.
    pub(crate) fn backend_with(
        &self,
        port: u16,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Backend> {
        let mut environment = environment.to_vec();
        environment.push(("RESPONDER", "canned"));
        let log = self.path("backend.log");
        Backend::start(
            &self.binaries,
            &self.store,
            &self.secret,
            port,
            &environment,
            &log,
        )
    }

    /// Starts the relay. With `crash_at` it dies at that crash point.
    pub(crate) fn start_relay(&mut self, crash_at: Option<&str>) -> anyhow::Result<()> {
        self.relay = None;
        let osascript = self.osascript_link.to_string_lossy().into_owned();
        let mut lines: Vec<String> = (0..LINES).map(line).collect();
        lines.push(OTHER_LINE.to_owned());
        let lines = lines.join(",");
        let mut environment = vec![
            ("ARCHETY_OSASCRIPT", &*osascript),
            ("ARCHETY_LINES", &lines),
        ];
        environment.extend(crash_at.map(|point| ("ARCHETY_CRASH_AT", point)));
        let url = format!("http://127.0.0.1:{}", self.port);
        let relay = Relay::start(
            &self.binaries,
            self.mac.chat_db(),
            &self.relay_state(),
            &url,
            &self.secret,
            &environment,
            &self.path("relay.log"),
        )?;
        self.relay = Some(relay);
        Ok(())
    }

    /// Waits until the relay reads chat.db: messages from then on are relayed.
    pub(crate) fn wait_until_reading(&mut self) -> anyhow::Result<()> {
        let state = self.relay_state();
        let relay = self.relay.as_mut().context("the relay was started")?;
        relay.wait_until_reading(&state)
    }

    pub(crate) fn database(&self) -> anyhow::Result<Database> {
        Database::open(&self.store)
    }

    pub(crate) fn ledger(&self) -> anyhow::Result<Ledger> {
        Ledger::read(&self.relay_state())
    }

    /// Whether a line is paused, because Messages has sent from another one.
    pub(crate) fn has_paused_line(&self) -> anyhow::Result<bool> {
        ledger::has_paused_line(&self.relay_state())
    }

    /// Does what the owner does after Messages has sent from another line: lets the line send again.
    pub(crate) fn resume_sending(&self) -> anyhow::Result<()> {
        let mut command = std::process::Command::new(self.binaries.relay());
        command
            .env_clear()
            .arg("resume")
            .env("ARCHETY_STATE_DIR", self.relay_state())
            .env("XDG_CONFIG_HOME", self.relay_state());
        let run = Run::of(&mut command);
        anyhow::ensure!(run.code == Some(0), "archety-relay resume: {}", run.err);
        Ok(())
    }

    /// The bubbles that the relay gave up at some time, because they had no row: the id of the command and the number
    /// in it.
    pub(crate) fn given_up_bubbles(&self) -> BTreeSet<(String, u32)> {
        let log = std::fs::read_to_string(self.path("relay.log")).unwrap_or_default();
        let bubble = |line: &str| {
            let fields = line.split_once("chat.db has no row of it command=\"")?.1;
            let (command, rest) = fields.split_once("\" bubble=")?;
            let number = rest.split(' ').next()?;
            Some((command.to_owned(), number.parse().ok()?))
        };
        log.lines().filter_map(bubble).collect()
    }

    /// The ids of what the backend lists for the owner.
    pub(crate) fn attention_list(&self) -> anyhow::Result<BTreeSet<String>> {
        let log = self.path("attention.log");
        let mut command = Backend::command(&self.binaries, &self.store, &self.secret, &log)?;
        command
            .args(["attention", "list", "--json"])
            .stdout(Stdio::piped());
        let output = command.output()?;
        anyhow::ensure!(
            output.status.success(),
            "archety-backend attention list failed"
        );
        let entries: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        let ids = entries.iter().filter_map(|entry| entry["id"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }

    /// How often a program has reported in this log that it reached a crash point.
    pub(crate) fn crashes(&self, log: &str) -> usize {
        let log = std::fs::read_to_string(self.path(log)).unwrap_or_default();
        let is_crash = |line: &&str| line.starts_with("crash point ") && line.ends_with(" reached");
        log.lines().filter(is_crash).count()
    }

    /// Stops all programs and keeps the files, for a look at what went wrong.
    pub(crate) fn keep_files(self) -> PathBuf {
        self.folder.keep()
    }
}
