//! `scripts/previous-version`: the relay of the version before the ledger runs on a state of this version.
//!
//! This version leaves a state with a ledger: replies that were delivered, one that was passed to Messages and has no
//! row, and some that wait. Then the version before opens the state and posts what people write meanwhile. Then this
//! version goes on. The exit code is 0 if each message was stored once, the version before has sent nothing, and each
//! reply was sent once, apart from the one without a row, which has to be listed as unknown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::{Backend, BackendDatabase, BackendStore, Binaries, Mac, Relay, Secret};
use clap::Parser;
use messages_stand_in::Style;
use messages_stand_in::osascript::{Control, Mode, Queued};
use rusqlite::{Connection, OpenFlags};

const PEOPLE: [&str; 3] = ["+15550100001", "+15550100002", "eve@example.com"];
/// A step that takes longer has failed.
const DEADLINE: Duration = Duration::from_secs(90);

/// Runs the relay of an earlier version on a state of this version
#[derive(Parser)]
#[command(name = "previous-version")]
struct Arguments {
    /// The earlier `archety-relay`
    relay: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse().relay) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("previous-version: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(earlier: &Path) -> anyhow::Result<()> {
    let mut stage = Stage::new()?;
    let earlier = std::path::absolute(earlier)?;
    let earlier = stage.binaries.clone().with_relay(earlier);

    let mut relay = stage.start_relay()?;
    relay.wait_until_reading(&stage.state)?;
    stage.everyone_writes("first")?;
    stage.wait("the first replies are delivered", |stage| {
        Ok(stage.count("state = 'delivered'")? == PEOPLE.len())
    })?;
    // The row of this reply never appears.
    stage.osascript.queue([Queued::send(Mode::NoRow)])?;
    stage.write(PEOPLE[0], "second")?;
    stage.wait("a reply is unknown", |stage| {
        Ok(stage.count("state = 'unknown'")? == 1)
    })?;
    stage.command("pause")?;
    for person in &PEOPLE[1..] {
        stage.write(person, "second")?;
    }
    stage.wait("two replies wait", |stage| {
        Ok(stage.count("state = 'queued'")? == PEOPLE.len() - 1)
    })?;
    relay.process.terminate()?;
    let (version, calls) = (stage.user_version()?, stage.osascript.calls()?.len());
    println!("this version:     3 replies delivered, 1 unknown, 2 waiting");

    let mut relay = stage.start(&earlier, &[])?;
    stage.everyone_writes("third")?;
    stage.wait("the third messages are stored", |stage| {
        ensure!(relay.process.ended()?.is_none(), "it has ended by itself");
        stage.is_everything_stored()
    })?;
    stage.wait("the replies to them are made", |stage| {
        Ok(stage.database()?.reply_bubbles()?.len() == stage.written.len())
    })?;
    relay.process.terminate()?;
    let sent = stage.osascript.calls()?.len() - calls;
    ensure!(
        sent == 0,
        "the version before has passed {sent} texts to Messages"
    );
    ensure!(
        stage.user_version()? == version,
        "the version before has changed `user_version`"
    );
    println!("previous version: opened the state, posted 3 messages, sent nothing");

    let mut relay = stage.start_relay()?;
    stage.command("resume")?;
    stage.wait("every reply has its end", |stage| {
        let bubbles = stage.database()?.reply_bubbles()?;
        Ok(bubbles
            .iter()
            .all(|bubble| ["delivered", "unknown"].contains(&bubble.state.as_str())))
    })?;
    // What is sent or stored twice would come in this time.
    std::thread::sleep(Duration::from_millis(500));
    relay.process.terminate()?;
    let summary = stage.judge()?;
    println!("this version:     {summary}");
    Ok(())
}

/// A Mac, a backend of this version, and the messages that people have written.
struct Stage {
    folder: tempfile::TempDir,
    binaries: Binaries,
    mac: Mac,
    osascript: Control,
    backend: Backend,
    /// The folder of the relay's state.
    state: PathBuf,
    /// The texts, which differ from each other.
    written: Vec<String>,
}

impl Stage {
    fn new() -> anyhow::Result<Self> {
        let binaries = Binaries::beside_this_program()?;
        let folder = tempfile::Builder::new()
            .prefix("archety-previous-")
            .tempdir()?;
        let mac = Mac::create(folder.path(), Style::Tahoe)?;
        let osascript = Control::beside(mac.chat_db());
        osascript.install(folder.path(), &binaries.messages_stand_in())?;
        let backend = Backend::start(
            &binaries,
            &BackendStore::Sqlite(folder.path().join("backend.db")),
            &Secret::default(),
            0,
            &[("RESPONDER", "canned"), ("TURN_QUIET_MS", "100")],
            &folder.path().join("backend.log"),
        )?;
        Ok(Self {
            state: folder.path().join("relay"),
            folder,
            binaries,
            mac,
            osascript,
            backend,
            written: Vec::new(),
        })
    }

    /// Starts this version's relay.
    fn start_relay(&self) -> anyhow::Result<Relay> {
        let osascript = self.folder.path().join("osascript");
        let osascript = osascript.to_string_lossy();
        self.start(&self.binaries, &[("ARCHETY_OSASCRIPT", &*osascript)])
    }

    /// Starts a relay. An earlier one refuses settings that it does not know.
    fn start(&self, binaries: &Binaries, env: &[(&str, &str)]) -> anyhow::Result<Relay> {
        Relay::start(
            binaries,
            self.mac.chat_db(),
            &self.state,
            &self.backend.url(),
            &Secret::default(),
            env,
            &self.folder.path().join("relay.log"),
        )
    }

    /// Runs a command of this version's relay on the state.
    fn command(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new(self.binaries.relay())
            .arg(name)
            .env_clear()
            .env("ARCHETY_STATE_DIR", &self.state)
            .env("XDG_CONFIG_HOME", &self.state)
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "`archety-relay {name}` failed: {status}");
        Ok(())
    }

    fn write(&mut self, person: &str, text: &str) -> anyhow::Result<()> {
        let text = format!("{text} of {person}");
        self.mac.receive(person, &text)?;
        self.written.push(text);
        Ok(())
    }

    fn everyone_writes(&mut self, text: &str) -> anyhow::Result<()> {
        PEOPLE
            .iter()
            .try_for_each(|person| self.write(person, text))
    }

    fn database(&self) -> anyhow::Result<BackendDatabase> {
        BackendDatabase::open(&self.folder.path().join("backend.db"))
    }

    fn relay_state(&self) -> anyhow::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Ok(Connection::open_with_flags(
            self.state.join("state.db"),
            flags,
        )?)
    }

    fn user_version(&self) -> anyhow::Result<i64> {
        let state = self.relay_state()?;
        Ok(state.pragma_query_value(None, "user_version", |row| row.get(0))?)
    }

    /// The number of bubbles in the ledger that fulfil the condition.
    fn count(&self, condition: &str) -> anyhow::Result<usize> {
        let sql = format!("select count(*) from ledger_bubble where {condition}");
        Ok(self.relay_state()?.query_row(&sql, [], |row| row.get(0))?)
    }

    fn is_everything_stored(&self) -> anyhow::Result<bool> {
        Ok(self.database()?.count()? == self.written.len() as u64)
    }

    fn wait(
        &self,
        what: &str,
        mut holds: impl FnMut(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while !holds(self).with_context(|| self.describe(what))? {
            ensure!(began.elapsed() < DEADLINE, self.describe(what));
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn describe(&self, what: &str) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("relay.log"));
        let log = log.unwrap_or_default();
        format!("it did not come about that {what}; the relay's log:\n{log}")
    }

    /// Compares what was written with what is stored and sent.
    fn judge(&self) -> anyhow::Result<String> {
        let database = self.database()?;
        let mut stored: Vec<String> = database.all()?.into_iter().map(|it| it.text).collect();
        let mut written = self.written.clone();
        stored.sort();
        written.sort();
        ensure!(stored == written, "written {written:?}, stored {stored:?}");

        let mut rows: BTreeMap<String, usize> = BTreeMap::new();
        for call in self.osascript.calls()? {
            if let (Some(_), Some(text)) = (call.handed_over, call.text_sha256) {
                *rows.entry(text).or_default() += 1;
            }
        }
        let bubbles = database.reply_bubbles()?;
        let mut unknown = 0;
        for bubble in &bubbles {
            let is_unknown = bubble.state == "unknown";
            unknown += usize::from(is_unknown);
            let sent = rows.remove(&messages_stand_in::osascript::sha256(&bubble.text));
            ensure!(
                sent == (!is_unknown).then_some(1),
                "{:?} is {} and was sent {} times",
                bubble.text,
                bubble.state,
                sent.unwrap_or(0)
            );
        }
        ensure!(
            rows.is_empty(),
            "{} texts were sent that are no reply",
            rows.len()
        );
        ensure!(unknown == 1, "{unknown} replies are unknown");
        ensure!(bubbles.len() == written.len(), "{} replies", bubbles.len());
        Ok(format!(
            "{} messages stored once, {} replies sent once, 1 listed as unknown",
            written.len(),
            bubbles.len() - unknown
        ))
    }
}
