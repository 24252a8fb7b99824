//! Plays a script into a chat.db, at once or step by step.
//!
//! A [`Player`] has a schedule of the script's steps and of delayed writes (a join, a late text, a finished
//! download). The caller reads the next time from [`Player::due`], waits, and calls [`Player::step`] with
//! the current time. Each step is one commit or a few, in the order in which Messages makes them. The same
//! script, salt and times give the same database.

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
use salt::GuidSalt;

use crate::script::{Label, MessageStep, Step};
use crate::{Attachment, Body, ChatDb, Date, Durability, Error, Script, Style};

/// The record of a step, or of a delayed write, that was carried out. `id`, `guid` and `rowid` are those of the
/// message that it wrote or changed; a step that is not about one message has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlayedStep {
    /// The name of the step in the script, or of the delayed write.
    pub name: &'static str,
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
    /// ROWIDs of the messages that the script has written.
    messages: HashMap<Label, i64>,
    /// The number of rows written so far to which the script gives no name.
    unnamed: u32,
    guid_salt: GuidSalt,
}

/// Builds a database from a script without waiting.
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
    /// A player that begins `script` at `start`. Nothing is written yet.
    pub fn new(db: ChatDb, script: &Script, start: Date) -> Self {
        let db = match &script.header.line {
            Some(own_address) => db.with_own_address(own_address),
            None => db,
        };
        Self {
            db,
            start,
            schedule: Schedule::of(script),
            chats: HashMap::new(),
            messages: HashMap::new(),
            unnamed: 0,
            guid_salt: GuidSalt::new(script, ""),
        }
    }

    /// Sets the salt of guids, so that a script can be played again for a reader that knows its guids.
    #[must_use]
    pub fn salted(mut self, salt: impl Into<String>) -> Self {
        self.guid_salt = self.guid_salt.with_word(salt.into());
        self
    }

    /// Carries out all steps without waiting.
    pub fn run_at_once(mut self) -> Result<ChatDb, Error> {
        while let Some(due) = self.due() {
            self.step(self.start + due)?;
        }
        self.db.checkpoint()?;
        Ok(self.db)
    }

    /// The time of the next step, counted from the start; `None` after the last step.
    pub fn due(&self) -> Option<Duration> {
        self.schedule.due()
    }

    /// Carries out the next step, even if it is not due. `now` becomes its date.
    pub fn step(&mut self, now: Date) -> Result<Option<PlayedStep>, Error> {
        let Some((due_ms, task)) = self.schedule.take_next() else {
            return Ok(None);
        };
        let played = match task {
            Task::Step(step) => self.carry_out(due_ms, *step, now)?,
            Task::Delayed { message, write } => self.write_delayed(message, write, now)?,
        };
        Ok(Some(played))
    }

    /// Ends the play, even before the last step, and returns the database.
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

    /// The ROWID of the message that this script or an earlier writer has written under this name or guid.
    fn rowid(&self, label: &Label) -> Result<i64, Error> {
        if let Some(rowid) = self.messages.get(label) {
            return Ok(*rowid);
        }
        // The message was written before this script, or a rebuild gave it another ROWID.
        for guid in [&self.guid_salt.guid_of_absent(label), &label.0] {
            let sql = "select ROWID from message where guid = ?1";
            let query = self.db.raw().query_row(sql, [guid], |row| row.get(0));
            if let Some(rowid) = query.optional()? {
                return Ok(rowid);
            }
        }
        Err(Error::UnknownMessage(label.0.clone()))
    }

    /// The guid of a message, even if it is not written yet or never will be.
    fn guid(&self, label: &Label) -> Result<String, Error> {
        match self.rowid(label) {
            Ok(rowid) => self.db.guid_of(rowid),
            Err(Error::UnknownMessage(_)) => Ok(self.guid_salt.guid_of_absent(label)),
            Err(error) => Err(error),
        }
    }

    /// The record of a step that wrote or changed the message `rowid`.
    fn played(
        &self,
        name: &'static str,
        id: Option<Label>,
        rowid: i64,
    ) -> Result<PlayedStep, Error> {
        let guid = Some(self.db.guid_of(rowid)?);
        let rowid = Some(rowid);
        Ok(PlayedStep {
            name,
            id,
            guid,
            rowid,
        })
    }
}

#[derive(Debug)]
enum Task {
    Step(Box<Step>),
    Delayed { message: Label, write: DelayedWrite },
}

/// A write that follows the insertion of a message's row.
#[derive(Debug)]
enum DelayedWrite {
    /// Joins to the chats with these names.
    Join(Vec<String>),
    Body(Body),
    /// The ROWID of the sender's handle.
    Sender(i64),
    /// The row is marked as the owner's.
    FromMe,
    Attachments(Vec<Attachment>),
    /// The downloads of these attachments finish.
    Finish(Vec<Attachment>),
    /// The preview of a link, which is a row of its own.
    Preview(Box<MessageStep>),
}

/// Tasks by due time, in milliseconds since the start. Tasks of the same time keep the order in which they were
/// added.
#[derive(Debug, Default)]
struct Schedule {
    tasks: BTreeMap<(u64, usize), Task>,
    /// The number of tasks added so far.
    added: usize,
}

impl Schedule {
    fn of(script: &Script) -> Self {
        let mut schedule = Self::default();
        let mut due_ms = 0;
        for timed in &script.steps {
            due_ms += timed.after_ms;
            schedule.add(due_ms, Task::Step(Box::new(timed.step.clone())));
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

    fn take_next(&mut self) -> Option<(u64, Task)> {
        let ((due_ms, _), task) = self.tasks.pop_first()?;
        Some((due_ms, task))
    }
}
