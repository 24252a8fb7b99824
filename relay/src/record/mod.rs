//! Records rows of a chat.db as a script, with which the same rows can be built on another machine.
//!
//! What must stay true: recording a chat.db that is built from the script gives the same script. Under
//! [`Redaction::On`] the script has no letter, digit or emoji that a person wrote, no address and no file
//! name. The runs of a body and the lengths of texts in UTF-8 and UTF-16 stay the same, so that a fault in
//! decoding can still be reproduced.

mod chats;
mod columns;
mod messages;
mod payload;
mod redact;

use std::collections::BTreeSet;

use messages_script::{Script, Step, Style};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use redact::Redactor;

/// Whether texts, addresses and names of people are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redaction {
    Off,
    /// Texts are replaced by made-up ones of the same length, addresses and file names by made-up ones.
    On {
        /// Random bytes that are stored nowhere. With the same salt, equal texts and addresses get equal
        /// replacements.
        salt: [u8; 32],
    },
}

/// Which messages to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The message with this guid, and the tapbacks and replies that refer to it.
    Guid(String),
    /// The first and the last ROWID of a range.
    Rowids(i64, i64),
    /// The number of messages, counted from the newest.
    Newest(u32),
}

/// Records the selected messages, in the order of their ROWIDs, and their chats.
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
    // Lookups come after all chats, because a lookup takes its identifier away from the chat that had it.
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

/// The style of the macOS version that writes a chat.db with these columns.
fn style(connection: &Connection) -> rusqlite::Result<Style> {
    let mut query = connection.prepare("select name from pragma_table_info('message')")?;
    let columns = query.query_map([], |row| row.get(0))?;
    Ok(Style::of_columns(&columns.collect::<Result<Vec<_>, _>>()?))
}

/// Whether `word` is in a list of words that are separated by white space.
fn has_word(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|listed| listed == word)
}

/// Reads rows of a chat.db and makes steps of them.
struct Recorder<'a> {
    connection: &'a Connection,
    redactor: Redactor,
    /// ROWIDs of the recorded chats. The name of a chat in the script is its place in this list.
    chats: Vec<i64>,
}

impl Recorder<'_> {
    /// The ROWIDs of the selected messages, in ascending order.
    fn select(&self, selection: &Selection) -> rusqlite::Result<Vec<i64>> {
        let (sql, parameters): (_, Vec<Value>) = match selection {
            Selection::Guid(guid) => (
                // A tapback names a part of its message, as in `p:0/GUID`. The parts are listed so that SQLite
                // can use the index. Few messages have more than these ten parts.
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

    /// The ROWIDs of the chats that a message is in.
    fn chats_of(&self, message: i64) -> rusqlite::Result<Vec<i64>> {
        let mut query = self.connection.prepare_cached(
            "select chat_id from chat_message_join where message_id = ?1 order by chat_id",
        )?;
        let rows = query.query_map([message], |row| row.get(0))?;
        rows.collect()
    }

    /// The address of a handle, redacted if redaction is on; `None` if there is no such handle.
    fn address(&mut self, handle: i64) -> rusqlite::Result<Option<String>> {
        let mut query = self
            .connection
            .prepare_cached("select id from handle where ROWID = ?1")?;
        let address = query.query_row([handle], |row| row.get::<_, String>(0));
        Ok(address
            .optional()?
            .map(|address| self.redactor.address(&address)))
    }
}
