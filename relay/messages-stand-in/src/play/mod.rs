//! Carries a script out on a chat.db, at once or step by step as time passes.
//!
//! A [`Player`] keeps an agenda: the script's steps at their times, and what they leave to be done
//! later (a join, a late text, a finished download). The caller looks at [`Player::due`], waits as
//! long as it likes, and calls [`Player::step`] with the time. Each step is one commit or a few, in
//! the order in which Messages makes them; equal scripts, seeds and times give equal databases.

mod agenda;
mod balloons;
mod changes;
mod chats;
mod convert;
mod events;
mod messages;
mod salt;
mod steps;

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::OptionalExtension;

pub use salt::unused_salt;

use agenda::{Agenda, Task};
use chats::KnownChat;
use salt::Salt;

use crate::script::Label;
use crate::{ChatDb, Date, Durability, Error, Script, Style};

/// A script that asks for something impossible.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// Writing failed.
    #[error(transparent)]
    Db(#[from] Error),
    /// No chat of this name so far.
    #[error("no chat is called {0:?} so far: a step `chat` must come first")]
    UnknownChat(String),
    /// No message of this name so far.
    #[error("no message is called {0:?} so far, nor has it as its guid")]
    UnknownMessage(String),
    /// No attachment with this guid so far.
    #[error("no attachment has the guid {0:?} so far")]
    UnknownAttachment(String),
    /// A value that should have been hexadecimal.
    #[error("{0:?} is not hexadecimal")]
    NotHex(String),
}

impl From<rusqlite::Error> for PlayError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// A step that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Played {
    /// The step's word in the script, or what it left for later.
    pub what: &'static str,
    /// The message's name in the script.
    pub id: Option<Label>,
    /// The message's guid.
    pub guid: Option<String>,
    /// The message's ROWID.
    pub rowid: Option<i64>,
}

/// A script in the middle of being carried out.
#[derive(Debug)]
pub struct Player {
    db: ChatDb,
    start: Date,
    agenda: Agenda,
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
) -> Result<ChatDb, PlayError> {
    let mut db = ChatDb::create(path, style)?;
    db.set_durability(Durability::None)?;
    let mut player = Player::new(db, script, start);
    while let Some(due) = player.due() {
        player.step(start + due)?;
    }
    let mut db = player.finish();
    db.checkpoint()?;
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
            agenda: Agenda::of(script),
            chats: HashMap::new(),
            messages: HashMap::new(),
            unnamed: 0,
            salt: Salt::new(script, ""),
        }
    }

    /// The same with other guids, so that a script can be played again to somebody who has seen it.
    #[must_use]
    pub fn salted(mut self, salt: impl Into<String>) -> Self {
        self.salt = self.salt.with_word(salt.into());
        self
    }

    /// When the next step is due, counted from the start; `None` when all is done.
    pub fn due(&self) -> Option<Duration> {
        self.agenda.due()
    }

    /// Carries out the next step, whether or not it is due. `now` becomes the date of what happens.
    pub fn step(&mut self, now: Date) -> Result<Option<Played>, PlayError> {
        let Some((due, task)) = self.agenda.take() else {
            return Ok(None);
        };
        let played = match task {
            Task::Step(step) => self.carry_out(due, *step, now)?,
            Task::Late { message, late } => self.catch_up(message, late, now)?,
        };
        Ok(Some(played))
    }

    /// The database, when there is nothing left to do or no wish to.
    pub fn finish(self) -> ChatDb {
        self.db
    }

    /// The database in the meantime.
    pub fn db(&mut self) -> &mut ChatDb {
        &mut self.db
    }

    fn known_chat(&self, name: &str) -> Result<&KnownChat, PlayError> {
        let chat = self.chats.get(name);
        chat.ok_or_else(|| PlayError::UnknownChat(name.to_owned()))
    }

    /// The ROWID of a message by its name or guid.
    fn rowid(&self, label: &Label) -> Result<i64, PlayError> {
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
        Err(PlayError::UnknownMessage(label.0.clone()))
    }

    /// The guid of a message, also of one that is yet to come or that this Mac never had.
    fn guid(&self, label: &Label) -> Result<String, PlayError> {
        match self.rowid(label) {
            Ok(rowid) => Ok(self.db.guid_of(rowid)?),
            Err(PlayError::UnknownMessage(_)) => Ok(self.salt.guid_of_absent(label)),
            Err(error) => Err(error),
        }
    }

    fn played(
        &self,
        what: &'static str,
        id: Option<Label>,
        rowid: i64,
    ) -> Result<Played, PlayError> {
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
