//! `report`: what a developer needs to see a message go wrong again, and nothing private.
//!
//! A redacted script of the rows around the message, which `archety-replay` takes, and behind it, as comments
//! that every reader of scripts skips, when the relay met each row and what became of its posts.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::bail;
use chatdb::ChatDb;
use messages_script::{Script, Step};
use serde::Serialize;

use super::flags::ConfigFlags;
use super::record;
use crate::clock::{Clock, SystemClock};
use crate::lifecycle::ExitCode;
use crate::record::Selection;
use crate::state::outbox::{self, Entry, PostState};
use crate::state::{State, StateError, filtered, quarantine, seen, waiting};

/// Rows before and after the message.
const AROUND: i64 = 10;

/// Write a redacted report about one message, to be given to a developer.
///
/// It holds the rows around the message as a script (everything that people wrote, every address and
/// every file name made up), and when the relay read, decided and posted each of them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `message.guid` of chat.db
    guid: String,
    /// A new file to write to, readable by its owner only; standard output without it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// When a row came by and what became of it. Times in microseconds since 1970.
#[derive(Serialize)]
struct Timings {
    guid: String,
    rowid: Option<i64>,
    /// None while the relay has not decided, or has never met it.
    outcome: Option<&'static str>,
    sent_at: Option<i64>,
    decided_at: Option<i64>,
    waiting_for: Option<String>,
    waiting_since: Option<i64>,
    held_for: Option<String>,
    held_since: Option<i64>,
    posts: Vec<Post>,
}

#[derive(Serialize)]
struct Post {
    event: String,
    revision: u32,
    state: PostState,
    attempts: u32,
    last_error: Option<String>,
    message_id: Option<String>,
    enqueued_at: i64,
    settled_at: Option<i64>,
}

impl From<Entry> for Post {
    fn from(entry: Entry) -> Self {
        Self {
            state: entry.state,
            attempts: entry.attempts,
            enqueued_at: entry.created_at.as_micros(),
            settled_at: entry.delivered_at.map(crate::clock::UnixMicros::as_micros),
            event: entry.event,
            revision: entry.revision,
            last_error: entry.last_error,
            message_id: entry.message_id,
        }
    }
}

impl Timings {
    fn is_known(&self) -> bool {
        let settled = self.outcome.is_some() || !self.posts.is_empty();
        self.rowid.is_some() || settled || self.waiting_for.is_some()
    }
}

impl Args {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let rowid = ChatDb::open(&config.chat_db)?.rowid_of(&self.guid)?;
        // Of a message that Messages has deleted, the relay may still know what became of it.
        let script = match rowid {
            Some(rowid) => record::record(
                &config.chat_db,
                &Selection::Rowids(rowid - AROUND, rowid + AROUND),
                &record::redacted(),
            )?,
            None => Script::default(),
        };
        let state = match State::open_beside(&config.state_dir) {
            Ok(state) => Some(state),
            Err(StateError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let about = timings(state.as_ref(), &self.guid, rowid)?;
        if !about.is_known() {
            bail!("neither chat.db nor the relay's state has a message with this guid");
        }
        let mut around = Vec::new();
        for guid in guids(&script).filter(|guid| **guid != self.guid) {
            around.push(timings(state.as_ref(), guid, None)?);
        }
        record::write(self.out.as_deref(), &text(&script, &about, &around)?)?;
        if state.is_none() {
            eprintln!("the relay has not run here yet: the report tells of chat.db alone");
        }
        Ok(ExitCode::Done)
    }
}

fn guids(script: &Script) -> impl Iterator<Item = &String> {
    script.steps.iter().filter_map(|timed| match &timed.step {
        Step::Message(message) => message.guid.as_ref(),
        _ => None,
    })
}

fn timings(state: Option<&State>, guid: &str, rowid: Option<i64>) -> Result<Timings, StateError> {
    let mut timings = Timings {
        guid: guid.to_owned(),
        rowid,
        outcome: None,
        sent_at: None,
        decided_at: None,
        waiting_for: None,
        waiting_since: None,
        held_for: None,
        held_since: None,
        posts: Vec::new(),
    };
    let Some(state) = state else {
        return Ok(timings);
    };
    state.read(|connection| {
        if let Some(seen) = seen::find(connection, guid)? {
            timings.rowid = Some(seen.rowid);
            timings.outcome = Some(seen.outcome.as_str());
            timings.sent_at = Some(seen.sent_at);
            timings.decided_at = Some(seen.seen_at);
        }
        let mut rows = waiting::list(connection)?.into_iter();
        if let Some(row) = rows.find(|row| row.guid == guid) {
            timings.waiting_for = Some(row.reason);
            timings.waiting_since = Some(row.since);
        }
        let mut held = quarantine::list(connection)?.into_iter();
        if let Some(held) = held.find(|held| held.guid == guid) {
            timings.held_for = Some(held.reason);
            timings.held_since = Some(held.held_at);
        }
        if let Some(id) = filtered::id_of(connection, guid)?
            && let Some(held) = filtered::find(connection, id)?
        {
            timings.held_for = Some(held.reason);
            timings.held_since = Some(held.held_since);
        }
        let posts = outbox::of_guid(connection, guid)?;
        timings.posts = posts.into_iter().map(Post::from).collect();
        Ok(())
    })?;
    Ok(timings)
}

/// The script, then the comments.
fn text(script: &Script, about: &Timings, around: &[Timings]) -> anyhow::Result<String> {
    let mut text = script.to_jsonl();
    let version = env!("CARGO_PKG_VERSION");
    let now = SystemClock.now();
    writeln!(text, "// archety-relay {version}, reported {now}")?;
    writeln!(text, "// times in microseconds since 1970")?;
    writeln!(text, "// the message: {}", serde_json::to_string(about)?)?;
    for row in around {
        writeln!(text, "// around it: {}", serde_json::to_string(row)?)?;
    }
    Ok(text)
}
