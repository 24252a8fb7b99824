//! The folder beside a chat.db by which tests control the stand-in for `osascript`, and its log.
//!
//! It is the path of the chat.db with `-osascript` appended, and holds:
//!
//! - `modes`: the queue, a mode a line; a call takes the first that is meant for it
//! - `default`: the mode of a send for which the queue has none; without the file, `ok`
//! - `unloaded`: guids of chats that Messages has not loaded, one a line
//! - `calls.jsonl`: the log
//! - `counts`, `lock`: the stand-in's own
//!
//! Several calls at once take modes and numbers under the lock.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::log::gather;
use super::{Call, Event, LoggedCall, Mode, Queued, Record, Verb, sha256, sha256_of_argv};
use crate::{Date, Error};

/// The file beside a link called `osascript` that holds the path of the chat.db.
pub const CHAT_DB_FILE: &str = "osascript.chat-db";

#[derive(Clone, Debug)]
pub struct Control {
    chat_db: PathBuf,
    folder: PathBuf,
}

/// What a call was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The number of the call.
    pub number: u64,
    pub mode: Mode,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Counts {
    calls: u64,
    /// Sends by chat or participant.
    bubbles: BTreeMap<String, u64>,
}

impl Control {
    /// The control of the stand-in for the Messages that writes this chat.db.
    pub fn beside(chat_db: impl AsRef<Path>) -> Self {
        let chat_db = chat_db.as_ref().to_owned();
        let mut folder = chat_db.clone().into_os_string();
        folder.push("-osascript");
        let folder = folder.into();
        Self { chat_db, folder }
    }

    pub fn chat_db(&self) -> &Path {
        &self.chat_db
    }

    /// Makes `folder/osascript`, a link to the program `messages-stand-in` that acts as `osascript` on this chat.db
    /// with the arguments of the real one. Returns the link.
    pub fn install(&self, folder: &Path, program: &Path) -> Result<PathBuf, Error> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|error| file(path, error));
        let link = absolute(&folder.join("osascript"))?;
        let (program, chat_db) = (absolute(program)?, absolute(&self.chat_db)?);
        replace(&folder.join(CHAT_DB_FILE), &chat_db.to_string_lossy())?;
        match fs::remove_file(&link) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(file(&link, error)),
            _ => {}
        }
        symlink(program, &link).map_err(|error| file(&link, error))?;
        Ok(link)
    }

    /// Adds modes at the end of the queue.
    pub fn queue(&self, modes: impl IntoIterator<Item = Queued>) -> Result<(), Error> {
        let _lock = self.lock()?;
        let mut queue = self.read_queue()?;
        queue.extend(modes);
        self.write_queue(&queue)
    }

    /// The modes that no call has taken yet.
    pub fn queued(&self) -> Result<Vec<Queued>, Error> {
        let _lock = self.lock()?;
        self.read_queue()
    }

    /// Sets the mode of sends for which the queue has none.
    pub fn set_default(&self, mode: &Mode) -> Result<(), Error> {
        let _lock = self.lock()?;
        replace(&self.folder.join("default"), &to_line(mode))
    }

    /// Sets the chats that Messages has not loaded.
    pub fn set_unloaded<G: AsRef<str>>(&self, guids: &[G]) -> Result<(), Error> {
        let _lock = self.lock()?;
        let guids: Vec<&str> = guids.iter().map(AsRef::as_ref).collect();
        replace(&self.folder.join("unloaded"), &guids.join("\n"))
    }

    pub fn is_unloaded(&self, guid: &str) -> Result<bool, Error> {
        let unloaded = read(&self.folder.join("unloaded"))?;
        Ok(unloaded.lines().any(|line| line == guid))
    }

    /// All calls so far, in the order in which they began.
    pub fn calls(&self) -> Result<Vec<LoggedCall>, Error> {
        Ok(gather(self.records()?))
    }

    /// All lines of the log.
    pub fn records(&self) -> Result<Vec<Record>, Error> {
        let path = self.folder.join("calls.jsonl");
        let text = read(&path)?;
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let records = complete.lines().map(serde_json::from_str);
        let records = records.collect::<Result<_, serde_json::Error>>();
        records.map_err(|error| file(&path, error.into()))
    }

    /// Takes the mode of a call and logs its start.
    pub fn begin(&self, call: &Call, argv: &[String], pid: u32, now: Date) -> Result<Begun, Error> {
        let _lock = self.lock()?;
        let (verb, chat) = (call.verb(), call.addressee());
        let mut queue = self.read_queue()?;
        let mode = match queue.iter().position(|queued| queued.is_for(verb, chat)) {
            Some(index) => {
                let taken = queue.remove(index);
                self.write_queue(&queue)?;
                taken.mode
            }
            None if verb == Verb::FindChat => Mode::Ok,
            None => self.default_mode()?,
        };
        let counts_path = self.folder.join("counts");
        let mut counts: Counts = serde_json::from_str(&read(&counts_path)?).unwrap_or_default();
        counts.calls += 1;
        let bubble = call.text().map(|_| {
            let bubble = counts.bubbles.entry(chat.to_owned()).or_default();
            *bubble += 1;
            *bubble
        });
        replace(&counts_path, &to_line(&counts))?;
        let number = counts.calls;
        let start = Event::Start {
            pid,
            argv_sha256: sha256_of_argv(argv),
            verb,
            chat: chat.to_owned(),
            text_sha256: call.text().map(sha256),
            bubble,
            mode: mode.clone(),
        };
        self.log(number, start, now)?;
        Ok(Begun { number, mode })
    }

    /// Appends a line to the log.
    pub fn log(&self, call: u64, event: Event, now: Date) -> Result<(), Error> {
        let at_us = now.unix_micros();
        let line = to_line(&Record { call, at_us, event });
        let path = self.folder.join("calls.jsonl");
        let append = || {
            fs::create_dir_all(&self.folder)?;
            let mut log = OpenOptions::new().create(true).append(true).open(&path)?;
            log.write_all(format!("{line}\n").as_bytes())
        };
        append().map_err(|error| file(&path, error))
    }

    fn default_mode(&self) -> Result<Mode, Error> {
        match read(&self.folder.join("default"))?.trim() {
            "" => Ok(Mode::Ok),
            line => Ok(Queued::parse(line)?.mode),
        }
    }

    fn read_queue(&self) -> Result<Vec<Queued>, Error> {
        let text = read(&self.folder.join("modes"))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(Queued::parse).collect()
    }

    fn write_queue(&self, queue: &[Queued]) -> Result<(), Error> {
        let lines: Vec<String> = queue.iter().map(to_line).collect();
        replace(&self.folder.join("modes"), &lines.join("\n"))
    }

    /// Locks the folder until the file is closed, also if the process is killed.
    fn lock(&self) -> Result<File, Error> {
        let path = self.folder.join("lock");
        let lock = || {
            fs::create_dir_all(&self.folder)?;
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|error| file(&path, error))
    }
}

fn to_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("the types of this module are JSON with text keys")
}

/// The content of a file; empty if there is none.
fn read(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|error| file(path, error)),
    }
}

/// Replaces a file as a whole, so that a kill leaves the old or the new one.
fn replace(path: &Path, content: &str) -> Result<(), Error> {
    let new = path.with_extension("new");
    let written = fs::write(&new, content).and_then(|()| fs::rename(&new, path));
    written.map_err(|error| file(path, error))
}

fn file(path: &Path, source: std::io::Error) -> Error {
    let path = path.to_owned();
    Error::File { path, source }
}
