//! Carries a script out on a chat.db, at once or step by step as time passes.
//!
//! A [`Player`] keeps a schedule: the script's steps at their times, and what they leave to be done
//! later (a join, a late text, a finished download). The caller looks at [`Player::due`], waits as
//! long as it likes, and calls [`Player::step`] with the time. Each step is one commit or a few, in
//! the order in which Messages makes them; equal scripts, seeds and times give equal databases.

mod balloons;
mod changes;
mod chats;
mod convert;
mod events;
mod messages;
mod salt;
mod steps;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use rusqlite::OptionalExtension;

pub use salt::unused_salt;

use chats::KnownChat;
use salt::Salt;

use crate::script::{Label, MessageStep, Step};
use crate::{Attachment, Body, ChatDb, Date, Durability, Error, Script, Style};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// The step's word in the script, or what it left for later.
    pub what: &'static str,
    pub id: Option<Label>,
    pub guid: Option<String>,
    pub rowid: Option<i64>,
}

#[derive(Debug)]
pub struct Player {
    db: ChatDb,
    start: Date,
    schedule: Schedule,
    chats: HashMap<String, KnownChat>,
    messages: HashMap<Label, i64>,
    /// For messages that the script doesn't name.
    unnamed: u32,
    salt: Salt,
}

/// Builds a database from a script at once, as if its time had passed.
pub fn build(
    script: &Script,
    path: impl AsRef<Path>,
    style: Style,
    start: Date,
) -> Result<ChatDb, Error> {
    let mut db = ChatDb::create(path, style)?;
    db.set_durability(Durability::None)?;
    let mut db = Player::new(db, script, start).run_at_once()?;
    db.set_durability(Durability::Full)?;
    Ok(db)
}

impl Player {
    /// Gets ready to carry out `script` from `start` on. Nothing is written yet.
    pub fn new(db: ChatDb, script: &Script, start: Date) -> Self {
        let db = match &script.header.line {
            Some(line) => db.with_line(line),
            None => db,
        };
        Self {
            db,
            start,
            schedule: Schedule::of(script),
            chats: HashMap::new(),
            messages: HashMap::new(),
            unnamed: 0,
            salt: Salt::new(script, ""),
        }
    }

    /// The same with other guids, so that a script can be played again to a reader who has seen it.
    #[must_use]
    pub fn salted(mut self, salt: impl Into<String>) -> Self {
        self.salt = self.salt.with_word(salt.into());
        self
    }

    /// Carries out every step as if its time had passed.
    pub fn run_at_once(mut self) -> Result<ChatDb, Error> {
        while let Some(due) = self.due() {
            self.step(self.start + due)?;
        }
        self.db.checkpoint()?;
        Ok(self.db)
    }

    /// When the next step is due, counted from the start; `None` when all is done.
    pub fn due(&self) -> Option<Duration> {
        self.schedule.due()
    }

    /// Carries out the next step, whether or not it is due. `now` becomes the date of what happens.
    pub fn step(&mut self, now: Date) -> Result<Option<Played>, Error> {
        let Some((due, task)) = self.schedule.take() else {
            return Ok(None);
        };
        let played = match task {
            Task::Step(step) => self.carry_out(due, *step, now)?,
            Task::Late { message, late } => self.catch_up(message, late, now)?,
        };
        Ok(Some(played))
    }

    pub fn finish(self) -> ChatDb {
        self.db
    }

    pub fn db(&mut self) -> &mut ChatDb {
        &mut self.db
    }

    fn known_chat(&self, name: &str) -> Result<&KnownChat, Error> {
        let chat = self.chats.get(name);
        chat.ok_or_else(|| Error::UnknownChat(name.to_owned()))
    }

    fn rowid(&self, label: &Label) -> Result<i64, Error> {
        if let Some(rowid) = self.messages.get(label) {
            return Ok(*rowid);
        }
        // Written before this script, or renumbered by a rebuild.
        for guid in [&self.salt.guid_of_absent(label), &label.0] {
            let sql = "select ROWID from message where guid = ?1";
            let query = self.db.raw().query_row(sql, [guid], |row| row.get(0));
            if let Some(rowid) = query.optional()? {
                return Ok(rowid);
            }
        }
        Err(Error::UnknownMessage(label.0.clone()))
    }

    /// The guid of a message, also of one that is yet to come or that this Mac never had.
    fn guid(&self, label: &Label) -> Result<String, Error> {
        match self.rowid(label) {
            Ok(rowid) => self.db.guid_of(rowid),
            Err(Error::UnknownMessage(_)) => Ok(self.salt.guid_of_absent(label)),
            Err(error) => Err(error),
        }
    }

    fn played(&self, what: &'static str, id: Option<Label>, rowid: i64) -> Result<Played, Error> {
        let guid = Some(self.db.guid_of(rowid)?);
        let rowid = Some(rowid);
        Ok(Played {
            what,
            id,
            guid,
            rowid,
        })
    }
}

#[derive(Debug)]
enum Task {
    Step(Box<Step>),
    Late { message: Label, late: Late },
}

/// The second half of a message.
#[derive(Debug)]
enum Late {
    Join(Vec<String>),
    Body(Body),
    Sender(i64),
    FromMe,
    Attachments(Vec<Attachment>),
    Finish(Vec<Attachment>),
    Preview(Box<MessageStep>),
}

/// What is still to be done, by time; what is due at the same time keeps its order.
#[derive(Debug, Default)]
struct Schedule {
    tasks: BTreeMap<(u64, usize), Task>,
    added: usize,
}

impl Schedule {
    fn of(script: &Script) -> Self {
        let mut schedule = Self::default();
        let mut due = 0;
        for timed in &script.steps {
            due += timed.after_ms;
            schedule.add(due, Task::Step(Box::new(timed.step.clone())));
        }
        schedule
    }

    fn add(&mut self, due_ms: u64, task: Task) {
        self.tasks.insert((due_ms, self.added), task);
        self.added += 1;
    }

    fn due(&self) -> Option<Duration> {
        let (due_ms, _) = self.tasks.first_key_value()?.0;
        Some(Duration::from_millis(*due_ms))
    }

    fn take(&mut self) -> Option<(u64, Task)> {
        let ((due_ms, _), task) = self.tasks.pop_first()?;
        Some((due_ms, task))
    }
}
