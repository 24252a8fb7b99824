//! A Mac with Messages and the relay on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use archety_harness::{Binaries, Relay, Secret};
use messages_stand_in::osascript::{Control, Mode, Queued};
use messages_stand_in::{Chat, ChatDb, Date, NewMessage, Style};
use rusqlite::{Connection, OpenFlags};
use test_process::{Run, Signal};

/// The name of the state's file.
const STATE_FILE: &str = "state.db";

/// A Mac. All of its files are in one folder.
pub(super) struct Machine {
    pub(super) name: &'static str,
    folder: PathBuf,
    pub(super) messages: ChatDb,
    pub(super) osascript: Control,
    link: PathBuf,
    secret: Secret,
    relay: Option<Relay>,
    /// The processes that were stopped beside the relay.
    stopped: Vec<u32>,
    /// The ROWID of the last own row that was copied to another Mac.
    copied_own_rows: i64,
}

impl Machine {
    /// A Mac with an empty chat.db.
    pub(super) fn new(
        name: &'static str,
        root: &Path,
        binaries: &Binaries,
        secret: Secret,
    ) -> anyhow::Result<Self> {
        let folder = root.join(name);
        fs::create_dir_all(&folder)?;
        let messages = ChatDb::create(folder.join("chat.db"), Style::Tahoe)?;
        Self::with_messages(name, folder, messages, binaries, secret)
    }

    /// A second Mac with a copy of everything that this one has. The relay of this one must not run.
    pub(super) fn clone_as(
        &self,
        name: &'static str,
        root: &Path,
        binaries: &Binaries,
    ) -> anyhow::Result<Self> {
        ensure!(self.relay.is_none(), "a running relay cannot be copied");
        let folder = root.join(name);
        fs::create_dir_all(&folder)?;
        let chat_db = folder.join("chat.db");
        copy_database(self.messages.path(), &chat_db)?;
        copy_folder(&self.state(), &folder.join("relay"))?;
        let messages = ChatDb::open(&chat_db)?;
        let secret = self.secret.clone();
        Self::with_messages(name, folder, messages, binaries, secret)
    }

    /// Notes that other Macs have the own rows that are there now.
    pub(super) fn note_own_rows_as_copied(&mut self) -> anyhow::Result<()> {
        self.copied_own_rows = self.messages.sequence()?;
        Ok(())
    }

    fn with_messages(
        name: &'static str,
        folder: PathBuf,
        messages: ChatDb,
        binaries: &Binaries,
        secret: Secret,
    ) -> anyhow::Result<Self> {
        let osascript = Control::beside(messages.path());
        let link = osascript.install(&folder, &binaries.messages_stand_in())?;
        Ok(Self {
            name,
            messages,
            osascript,
            link,
            secret,
            relay: None,
            stopped: Vec::new(),
            copied_own_rows: 0,
            folder,
        })
    }

    /// The folder of the relay's state.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("relay")
    }

    fn state_db(&self) -> anyhow::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        Ok(Connection::open_with_flags(
            self.state().join(STATE_FILE),
            flags,
        )?)
    }

    /// Starts the relay and waits until it reads chat.db.
    pub(super) fn start(&mut self, binaries: &Binaries, url: &str) -> anyhow::Result<()> {
        self.start_unawaited(binaries, url)?;
        let state = self.state();
        let relay = self.relay.as_mut().context("started")?;
        relay.wait_until_reading(&state)
    }

    /// Starts the relay, which may not get the lease.
    pub(super) fn start_unawaited(&mut self, binaries: &Binaries, url: &str) -> anyhow::Result<()> {
        let osascript = self.link.to_string_lossy().into_owned();
        self.relay = Some(Relay::start(
            binaries,
            self.messages.path(),
            &self.state(),
            url,
            &self.secret,
            &[("ARCHETY_OSASCRIPT", &osascript)],
            &self.folder.join("relay.log"),
        )?);
        Ok(())
    }

    /// Ends the relay in order.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        let mut relay = self.relay.take().context("it runs")?;
        let code = relay.process.terminate()?;
        ensure!(
            code == Some(0),
            "the relay of {} ended with {code:?}",
            self.name
        );
        Ok(())
    }

    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.relay.take().context("it runs")?.process.kill()?;
        Ok(())
    }

    /// Stops everything that runs on the Mac: the relay, `osascript`, and Messages as far as it is sending. Returns how many
    /// texts are being sent.
    pub(super) fn fall_asleep(&mut self) -> anyhow::Result<usize> {
        let relay = self.relay.as_mut().context("it runs")?;
        let pid = relay.process.pid();
        relay.process.signal(Signal::STOP)?;
        // A child that is just being started is stopped by the second look.
        for _ in 0..2 {
            let mut family = vec![pid];
            while let Some(parent) = family.pop() {
                for child in children(parent) {
                    signal("-STOP", child)?;
                    if !self.stopped.contains(&child) {
                        self.stopped.push(child);
                    }
                    family.push(child);
                }
            }
        }
        let sql = "select count(*) from ledger_bubble where state = 'dispatched'";
        Ok(self.state_db()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// Lets everything go on that was stopped.
    pub(super) fn wake_up(&mut self) -> anyhow::Result<()> {
        for pid in std::mem::take(&mut self.stopped) {
            signal("-CONT", pid)?;
        }
        let relay = self.relay.as_mut().context("it runs")?;
        Ok(relay.process.signal(Signal::CONT)?)
    }

    /// Lets the next sends end in this mode.
    pub(super) fn queue_modes(&self, mode: &Mode, count: usize) -> anyhow::Result<()> {
        let modes = std::iter::repeat_n(Queued::send(mode.clone()), count);
        Ok(self.osascript.queue(modes)?)
    }

    /// How many texts Messages has taken.
    pub(super) fn handed_over(&self) -> anyhow::Result<usize> {
        let calls = self.osascript.calls()?;
        Ok(calls
            .iter()
            .filter(|call| call.handed_over.is_some())
            .count())
    }

    /// Whether a text of this mode is being sent.
    pub(super) fn is_sending(&self, mode: &Mode) -> anyhow::Result<bool> {
        let calls = self.osascript.calls()?;
        Ok(calls
            .iter()
            .any(|call| call.mode == *mode && call.end.is_none()))
    }

    /// Writes a message of a person, under this guid.
    pub(super) fn receive(
        &mut self,
        person: &str,
        text: &str,
        guid: &str,
        date: Date,
    ) -> anyhow::Result<()> {
        let chat = self.chat(person)?;
        let handle = self.messages.ensure_handle(person, "iMessage")?;
        let message = NewMessage::incoming(handle, date).text(text).guid(guid);
        self.messages.deliver(chat, &message)?;
        Ok(())
    }

    fn chat(&mut self, person: &str) -> anyhow::Result<i64> {
        let guid = format!("any;-;{person}");
        match self.messages.find_chat(&guid)? {
            Some(chat) => Ok(chat),
            None => Ok(self.messages.insert_chat(&Chat::direct(person))?),
        }
    }

    /// Copies the sent rows that are new since the last call to another Mac, as iCloud does.
    pub(super) fn copy_own_rows_to(&mut self, other: &mut Self) -> anyhow::Result<()> {
        let mut statement = self.messages.raw().prepare(
            "select m.ROWID, m.guid, c.chat_identifier from message m
             join chat_message_join j on j.message_id = m.ROWID
             join chat c on c.ROWID = j.chat_id
             where m.is_from_me = 1 and m.is_delivered = 1 and m.ROWID > ?1 order by m.ROWID",
        )?;
        let rows = statement.query_map([self.copied_own_rows], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        let rows: Vec<(i64, String, String)> = rows.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        for (rowid, guid, person) in rows {
            self.copied_own_rows = rowid;
            let text = self.messages.text_of(rowid)?;
            let chat = other.chat(&person)?;
            let date = Date::from_unix_micros(archety_harness::now_micros());
            let row = NewMessage::outgoing(date).text(text).guid(guid);
            other.messages.deliver(chat, &row)?;
        }
        Ok(())
    }

    /// The id by which the backend knows this installation.
    pub(super) fn instance_id(&self) -> anyhow::Result<String> {
        let sql = "select value from meta where key = 'instance_id'";
        Ok(self.state_db()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// How many commands of a number above this one the relay has stored.
    pub(super) fn commands_above(&self, seq: i64) -> anyhow::Result<usize> {
        let sql = "select count(*) from ledger_command where seq > ?1 and kind = 'send_message'";
        Ok(self.state_db()?.query_row(sql, [seq], |row| row.get(0))?)
    }

    /// The greatest number of a command that the relay has stored.
    pub(super) fn last_command(&self) -> anyhow::Result<i64> {
        let sql = "select coalesce(max(seq), 0) from ledger_command";
        Ok(self.state_db()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// How many bubbles of the ledger are under way, or were not told to the backend.
    pub(super) fn unsettled(&self) -> anyhow::Result<usize> {
        let sql =
            "select count(*) from ledger_bubble b join ledger_command c on c.number = b.command
             where ack is not null or state = 'dispatched' or (state = 'queued' and not exists (
                 select 1 from ledger_bubble before where before.command = b.command
                 and before.bubble < b.bubble and before.state in ('unknown', 'held')))";
        Ok(self.state_db()?.query_row(sql, [], |row| row.get(0))?)
    }

    /// Copies the state to a folder. The relay must not run.
    pub(super) fn back_up_state(&self, backup: &Path) -> anyhow::Result<()> {
        ensure!(
            self.relay.is_none(),
            "a running relay's state cannot be copied"
        );
        copy_folder(&self.state(), backup)
    }

    /// Puts the files of a backup in the place of the state's files, which keep their inodes.
    pub(super) fn restore_state_in_place(&self, backup: &Path) -> anyhow::Result<()> {
        for suffix in ["-wal", "-shm"] {
            let file = self.state().join(format!("{STATE_FILE}{suffix}"));
            if file.exists() {
                fs::remove_file(file)?;
            }
        }
        // `fs::copy` would give a new file the old place; reading and writing keeps the file.
        let content = fs::read(backup.join(STATE_FILE))?;
        Ok(fs::write(self.state().join(STATE_FILE), content)?)
    }

    /// Puts the folder of a backup in the place of the state's folder.
    pub(super) fn restore_state_folder(&self, backup: &Path) -> anyhow::Result<()> {
        self.lose_state()?;
        copy_folder(backup, &self.state())
    }

    pub(super) fn lose_state(&self) -> anyhow::Result<()> {
        Ok(fs::remove_dir_all(self.state())?)
    }
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let run = Run::of(Command::new("ps").args(["-A", "-o", "pid=,ppid="]));
    let mut children = Vec::new();
    for line in run.out.lines() {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        if let (Some(Ok(child)), Some(Ok(of))) = (numbers.next(), numbers.next())
            && of == parent
        {
            children.push(child);
        }
    }
    children
}

/// Sends a signal to a process, which may have ended.
fn signal(name: &str, pid: u32) -> anyhow::Result<()> {
    let mut kill = Command::new("kill");
    kill.args([name, &pid.to_string()]).stderr(Stdio::null());
    kill.status()?;
    Ok(())
}

fn copy_database(from: &Path, to: &Path) -> anyhow::Result<()> {
    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.execute("vacuum into ?1", [to.to_string_lossy()])?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
