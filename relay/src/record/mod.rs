//! Writes rows of an existing chat.db as a script, so that what one Mac saw can be seen elsewhere.
//!
//! [`record`] only reads, through a connection that the caller opened. What must stay true: building
//! the script gives rows that record the same again; and under [`Redaction::On`] no letter, digit or
//! emoji that a person wrote, no address and no file name leaves the machine, while the lengths in
//! UTF-8 and UTF-16 and the runs stay, so that a fault in decoding shows up all the same.

mod chats;
mod columns;
mod messages;
mod payload;
mod redact;

use std::collections::BTreeSet;

use messages_script::{Script, Step, Style};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use redact::Redactor;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redaction {
    Off,
    /// Replaced by something fictional of the same length.
    On {
        /// Random bytes that the caller throws away afterwards. Equal texts and addresses become
        /// equal ones under one salt.
        salt: [u8; 32],
    },
}

/// Which messages to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The message with this guid, and whatever refers to it: tapbacks, replies.
    Guid(String),
    /// ROWIDs from the first to the second.
    Rowids(i64, i64),
    /// The newest so many.
    Newest(u32),
}

/// Records the messages that `selection` names, in the order of their ROWIDs, with their chats.
pub fn record(
    connection: &Connection,
    selection: &Selection,
    redaction: &Redaction,
) -> rusqlite::Result<Script> {
    let mut recorder = Recorder {
        connection,
        redactor: Redactor::new(redaction),
        chats: Vec::new(),
    };
    let rowids = recorder.select(selection)?;
    let mut chats = BTreeSet::new();
    for rowid in &rowids {
        chats.extend(recorder.chats_of(*rowid)?);
    }
    let mut script = Script::default();
    script.header.style = Some(style(connection)?);
    recorder.chats = chats.iter().copied().collect();
    for chat in chats {
        let chat = recorder.chat(chat)?;
        script.steps.push(Step::Chat(chat).into());
    }
    // After every chat: an identifier stands for one of them alone.
    for chat in recorder.chats.clone() {
        let lookups = recorder.lookups(chat)?;
        let lookups = lookups.into_iter().map(|step| Step::Lookup(step).into());
        script.steps.extend(lookups);
    }
    for rowid in rowids {
        let message = recorder.message(rowid)?;
        script.steps.push(Step::Message(Box::new(message)).into());
    }
    Ok(script)
}

/// The macOS whose chat.db it looks like.
fn style(connection: &Connection) -> rusqlite::Result<Style> {
    let mut query = connection.prepare("select name from pragma_table_info('message')")?;
    let columns = query.query_map([], |row| row.get(0))?;
    Ok(Style::of_columns(&columns.collect::<Result<Vec<_>, _>>()?))
}

/// Whether a list of words, with white space between them, has this one.
fn has_word(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

/// A recording under way.
struct Recorder<'a> {
    connection: &'a Connection,
    redactor: Redactor,
    /// The chats that are recorded; their place here is their name in the script.
    chats: Vec<i64>,
}

impl Recorder<'_> {
    fn select(&self, selection: &Selection) -> rusqlite::Result<Vec<i64>> {
        let (sql, parameters): (_, Vec<Value>) = match selection {
            Selection::Guid(guid) => (
                // Spelt out so that the indexes serve: a message seldom has more than ten parts.
                "select ROWID from message
                 where guid = ?1 or thread_originator_guid = ?1 or associated_message_guid in (
                   ?1, 'bp:' || ?1, 'p:-1/' || ?1, 'p:0/' || ?1, 'p:1/' || ?1, 'p:2/' || ?1,
                   'p:3/' || ?1, 'p:4/' || ?1, 'p:5/' || ?1, 'p:6/' || ?1, 'p:7/' || ?1,
                   'p:8/' || ?1, 'p:9/' || ?1)
                 order by ROWID",
                vec![guid.clone().into()],
            ),
            Selection::Rowids(first, last) => (
                "select ROWID from message where ROWID between ?1 and ?2 order by ROWID",
                vec![(*first).into(), (*last).into()],
            ),
            Selection::Newest(count) => (
                "select ROWID from (select ROWID from message order by ROWID desc limit ?1)
                 order by ROWID",
                vec![(*count).into()],
            ),
        };
        let mut query = self.connection.prepare(sql)?;
        let rows = query.query_map(params_from_iter(parameters), |row| row.get(0))?;
        rows.collect()
    }

    fn chats_of(&self, message: i64) -> rusqlite::Result<Vec<i64>> {
        let mut query = self.connection.prepare_cached(
            "select chat_id from chat_message_join where message_id = ?1 order by chat_id",
        )?;
        let rows = query.query_map([message], |row| row.get(0))?;
        rows.collect()
    }

    /// The address of a handle; `None` for 0 and for handles that are gone.
    fn address(&mut self, handle: i64) -> rusqlite::Result<Option<String>> {
        let mut query = self
            .connection
            .prepare_cached("select id from handle where ROWID = ?1")?;
        let mut rows = query.query([handle])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let address: String = row.get(0)?;
        Ok(Some(self.redactor.address(&address)))
    }
}
