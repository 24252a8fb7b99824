//! A backend, the Macs whose relays it serves, and the people who write.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::{Backend, BackendStore, Binaries, Secret, now_micros};
use messages_stand_in::Date;

use super::machine::Machine;
use crate::database::Database;
use crate::postgres::Cluster;

/// The own address of every Mac.
pub(super) const LINE: &str = "+15550009999";
/// The name of the relay of a secret without a name.
pub(super) const RELAY: &str = "default";
const CHATS: usize = 60;
/// How many bubbles the questions ask for, in turn.
const BUBBLES: [u32; 6] = [1, 2, 1, 3, 1, 2];
/// A chat whose question has no answer after this time asks the next one.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long nothing may be under way at the end.
const QUIET: Duration = Duration::from_millis(1_500);
const DEADLINE: Duration = Duration::from_secs(100);

/// A message that asks for a reply.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) guid: String,
    chat: usize,
    words: String,
    pub(super) bubbles: u32,
    at: Instant,
}

impl Asked {
    /// The text of a bubble of the reply, from 0.
    pub(super) fn bubble_text(&self, bubble: u32) -> String {
        format!("{} {} of {}", self.words, bubble + 1, self.bubbles)
    }
}

/// Where a scenario runs.
pub(super) struct Place {
    pub(super) scenario: &'static str,
    pub(super) folder: PathBuf,
    /// Without a cluster, the backend's database is a file.
    pub(super) cluster: Option<Cluster>,
}

pub(super) struct World {
    folder: PathBuf,
    pub(super) binaries: Binaries,
    store: BackendStore,
    cluster: Option<Cluster>,
    /// The value of `RELAY_WEBHOOK_SECRET` of the backend.
    secret: Secret,
    backend: Option<Backend>,
    port: u16,
    pub(super) machines: Vec<Machine>,
    pub(super) asked: Vec<Asked>,
}

impl World {
    /// A backend on `SQLite`, or on a database of the cluster, and a Mac for each name and secret.
    pub(super) fn new(
        place: Place,
        macs: &[(&'static str, Secret)],
        secret: Secret,
    ) -> anyhow::Result<Self> {
        let Place {
            scenario,
            folder,
            cluster,
        } = place;
        let binaries = Binaries::beside_this_program()?.with_faster_relay()?;
        let machines = macs
            .iter()
            .map(|(name, secret)| Machine::new(name, &folder, &binaries, secret.clone()));
        let store = match &cluster {
            Some(cluster) => cluster.database(scenario)?,
            None => BackendStore::Sqlite(folder.join("backend.db")),
        };
        Ok(Self {
            machines: machines.collect::<anyhow::Result<_>>()?,
            folder,
            binaries,
            store,
            cluster,
            secret,
            backend: None,
            port: 0,
            asked: Vec::new(),
        })
    }

    /// A backend and one Mac.
    pub(super) fn with_one_mac(place: Place) -> anyhow::Result<Self> {
        let secret = Secret::default();
        Self::new(place, &[("mac", secret.clone())], secret)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts the backend, with this quiet gap of turns.
    pub(super) fn start_backend(&mut self, quiet_ms: u32) -> anyhow::Result<()> {
        let backend = Backend::start(
            &self.binaries,
            &self.store,
            &self.secret,
            self.port,
            &[
                ("RESPONDER", "canned"),
                ("TURN_QUIET_MS", &quiet_ms.to_string()),
            ],
            &self.path("backend.log"),
        )?;
        self.port = backend.port();
        self.backend = Some(backend);
        Ok(())
    }

    pub(super) fn kill_backend(&mut self) -> anyhow::Result<()> {
        self.backend.take().context("it runs")?.process.kill()?;
        Ok(())
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts the relay of a Mac and waits until it reads.
    pub(super) fn start_relay(&mut self, machine: usize) -> anyhow::Result<()> {
        let url = self.url();
        self.machines[machine].start(&self.binaries, &url)
    }

    /// Starts the relay of a Mac that may not get the lease.
    pub(super) fn start_relay_unawaited(&mut self, machine: usize) -> anyhow::Result<()> {
        let url = self.url();
        self.machines[machine].start_unawaited(&self.binaries, &url)
    }

    /// Adds a Mac with an empty chat.db, for the same relay.
    pub(super) fn add_machine(&mut self, name: &'static str) -> anyhow::Result<()> {
        let machine = Machine::new(name, &self.folder, &self.binaries, self.secret.clone())?;
        self.machines.push(machine);
        Ok(())
    }

    /// Adds a Mac that is a copy of another one.
    pub(super) fn clone_machine(
        &mut self,
        machine: usize,
        name: &'static str,
    ) -> anyhow::Result<()> {
        let copy = self.machines[machine].clone_as(name, &self.folder, &self.binaries)?;
        self.machines.push(copy);
        Ok(())
    }

    /// Copies the database of the backend. On Postgres the backend is down for a moment.
    pub(super) fn back_up_database(&mut self, quiet_ms: u32) -> anyhow::Result<()> {
        match (self.store.clone(), self.cluster.clone()) {
            (BackendStore::Postgres(url), Some(cluster)) => {
                let mut backend = self.backend.take().context("it runs")?;
                backend.process.kill()?;
                cluster.copy(&url, &format!("{url}_backup"))?;
                self.start_backend(quiet_ms)?;
            }
            (BackendStore::Sqlite(path), _) => {
                let backup = self.path("backup.db");
                let database = rusqlite::Connection::open(path)?;
                database.busy_timeout(Duration::from_secs(10))?;
                database.execute("vacuum into ?1", [backup.to_string_lossy()])?;
            }
            (BackendStore::Postgres(_), None) => anyhow::bail!("no cluster"),
        }
        Ok(())
    }

    /// Puts the copy in the place of the database. The backend must not run.
    pub(super) fn restore_database(&mut self) -> anyhow::Result<()> {
        ensure!(self.backend.is_none(), "the backend runs");
        match (&self.store, &self.cluster) {
            (BackendStore::Postgres(url), Some(cluster)) => {
                cluster.copy(&format!("{url}_backup"), url)?;
            }
            (BackendStore::Sqlite(path), _) => {
                for suffix in ["-wal", "-shm"] {
                    let file = format!("{}{suffix}", path.display());
                    if fs::exists(&file)? {
                        fs::remove_file(file)?;
                    }
                }
                fs::copy(self.path("backup.db"), path)?;
            }
            (BackendStore::Postgres(_), None) => anyhow::bail!("no cluster"),
        }
        Ok(())
    }

    pub(super) fn database(&self) -> anyhow::Result<Database> {
        Database::open(&self.store)
    }

    /// Runs a command of `archety-backend` with this standard input. Returns its standard output.
    pub(super) fn operate(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let (file, log) = (self.path("input"), self.path("operator.log"));
        fs::write(&file, input)?;
        let mut command = Backend::command(&self.binaries, &self.store, &self.secret, &log)?;
        command.args(arguments).stdin(fs::File::open(file)?);
        let output = command.stdout(Stdio::piped()).output()?;
        ensure!(
            output.status.success(),
            "archety-backend {}: {}",
            arguments.join(" "),
            fs::read_to_string(log)?
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Lets another Mac take the name of the relay.
    pub(super) fn move_relay(&self) -> anyhow::Result<()> {
        self.operate(&["relay", "move", RELAY], "").map(|_| ())
    }

    /// How often this stands in the backend's log.
    pub(super) fn logged(&self, words: &str) -> usize {
        let log = fs::read_to_string(self.path("backend.log")).unwrap_or_default();
        log.matches(words).count()
    }

    /// Lets people write to these Macs for a time, so many messages in a second.
    pub(super) fn converse(
        &mut self,
        machines: &[usize],
        span: Duration,
        per_second: u32,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut written = 0;
        while began.elapsed() < span {
            if began.elapsed() >= Duration::from_secs(1) * written / per_second {
                if let Some(chat) = self.free_chat()? {
                    self.ask(machines, chat)?;
                }
                written += 1;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// A chat whose last question is answered, or has waited for long.
    fn free_chat(&self) -> anyhow::Result<Option<usize>> {
        let mut sent = std::collections::BTreeSet::new();
        for machine in &self.machines {
            let calls = machine.osascript.calls()?.into_iter();
            let sent_calls = calls.filter(|call| call.handed_over.is_some());
            sent.extend(sent_calls.filter_map(|call| call.text_sha256));
        }
        let is_free = |chat: &usize| {
            let last = self.asked.iter().rfind(|asked| asked.chat == *chat);
            last.is_none_or(|asked| {
                let text = asked.bubble_text(asked.bubbles - 1);
                asked.at.elapsed() > ANSWER_WITHIN
                    || sent.contains(&messages_stand_in::osascript::sha256(text))
            })
        };
        let start = self.asked.len();
        let mut chats = (0..CHATS).map(|n| (start + n) % CHATS);
        Ok(chats.find(is_free))
    }

    /// Writes a question into a chat of these Macs.
    pub(super) fn ask(&mut self, machines: &[usize], chat: usize) -> anyhow::Result<()> {
        let number = self.asked.len();
        let words = format!("question {number}:");
        let bubbles = BUBBLES[number % BUBBLES.len()];
        let guid = format!("00000000-0000-4000-8000-{number:012}");
        let date = Date::from_unix_micros(now_micros());
        for machine in machines {
            let text = format!("{words} {bubbles} bubbles");
            let person = format!("+1555013{chat:04}");
            self.machines[*machine].receive(&person, &text, &guid, date)?;
        }
        self.asked.push(Asked {
            guid,
            chat,
            words,
            bubbles,
            at: Instant::now(),
        });
        Ok(())
    }

    /// Waits until something holds.
    pub(super) fn wait(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let began = Instant::now();
        while !holds(self).with_context(|| format!("while waiting until {what}"))? {
            ensure!(
                began.elapsed() < DEADLINE,
                "it never came about that {what}"
            );
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Waits until every message is stored and answered, and nothing is under way on these Macs.
    pub(super) fn settle(&mut self, machines: &[usize]) -> anyhow::Result<()> {
        let mut quiet_since = None;
        self.wait("everything came to rest", |world| {
            let mut database = world.database()?;
            let stored = database.stored()?;
            let mut is_settled = database.unanswered()?.is_empty()
                && world
                    .asked
                    .iter()
                    .all(|asked| stored.contains_key(&asked.guid));
            for machine in machines {
                is_settled = is_settled && world.machines[*machine].unsettled()? == 0;
            }
            if !is_settled {
                quiet_since = None;
                return Ok(false);
            }
            Ok(quiet_since.get_or_insert_with(Instant::now).elapsed() > QUIET)
        })
    }
}
