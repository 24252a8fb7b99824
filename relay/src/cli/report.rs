//! `report`: a file with which a developer can reproduce what went wrong with a message, without anything private.
//!
//! The file is a redacted script of the rows around the message, which `archety-replay` plays. Comments after
//! the script say when the relay read each row, and in which state its posts are.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::bail;
use chatdb::ChatDb;
use messages_script::{Script, Step};
use serde::Serialize;

use super::flags::ConfigFlags;
use super::record;
use super::trace::StateFacts;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::lifecycle::ExitCode;
use crate::record::Selection;
use crate::state::outbox::{OutboxPost, PostState};
use crate::state::{State, StateError};

/// How many rows before the message, and how many after it, are reported.
const NEARBY_ROWS: i64 = 10;

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

/// When the relay read, decided and posted a row. Times are microseconds since 1970.
#[derive(Serialize)]
struct Timings {
    guid: String,
    rowid: Option<i64>,
    /// The relay's decision about the row; `None` if the relay has not decided.
    outcome: Option<&'static str>,
    sent_at: Option<i64>,
    decided_at: Option<i64>,
    waiting_for: Option<String>,
    waiting_since: Option<i64>,
    held_for: Option<String>,
    held_since: Option<i64>,
    posts: Vec<PostTimings>,
}

#[derive(Serialize)]
struct PostTimings {
    event: String,
    revision: u32,
    state: PostState,
    attempts: u32,
    last_error: Option<String>,
    message_id: Option<String>,
    enqueued_at: i64,
    settled_at: Option<i64>,
}

impl From<OutboxPost> for PostTimings {
    fn from(post: OutboxPost) -> Self {
        Self {
            state: post.state,
            attempts: post.attempts,
            enqueued_at: post.created_at.as_micros(),
            settled_at: post.delivered_at.map(UnixMicros::as_micros),
            event: post.event,
            revision: post.revision,
            last_error: post.last_error,
            message_id: post.message_id,
        }
    }
}

impl Timings {
    /// Whether chat.db or the relay's state has the message.
    fn is_known(&self) -> bool {
        let was_decided = self.outcome.is_some() || !self.posts.is_empty();
        self.rowid.is_some() || was_decided || self.waiting_for.is_some()
    }
}

impl Args {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let rowid = ChatDb::open(&config.chat_db)?.rowid_of(&self.guid)?;
        // The relay's state may still know a message that Messages has deleted.
        let script = match rowid {
            Some(rowid) => record::record(
                &config.chat_db,
                &Selection::Rowids(rowid - NEARBY_ROWS, rowid + NEARBY_ROWS),
                &record::random_redaction(),
            )?,
            None => Script::default(),
        };
        let state = match State::open_beside(&config.state_dir) {
            Ok(state) => Some(state),
            Err(StateError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let of_message = timings(state.as_ref(), &self.guid, rowid)?;
        if !of_message.is_known() {
            bail!("neither chat.db nor the relay's state has a message with this guid");
        }
        let mut nearby = Vec::new();
        for guid in guids(&script).filter(|guid| **guid != self.guid) {
            nearby.push(timings(state.as_ref(), guid, None)?);
        }
        record::write(self.out.as_deref(), &text(&script, &of_message, &nearby)?)?;
        if state.is_none() {
            eprintln!("the relay has not run here yet: the report has only what is in chat.db");
        }
        Ok(ExitCode::Done)
    }
}

/// The guids of a script's messages.
fn guids(script: &Script) -> impl Iterator<Item = &String> {
    script.steps.iter().filter_map(|timed| match &timed.step {
        Step::Message(message) => message.guid.as_ref(),
        _ => None,
    })
}

/// What the state, if there is one, says about a message. `rowid` is the message's row in chat.db, if it is known.
fn timings(state: Option<&State>, guid: &str, rowid: Option<i64>) -> Result<Timings, StateError> {
    let facts = match state {
        Some(state) => StateFacts::load(state, guid)?,
        None => StateFacts::default(),
    };
    let (waiting_for, waiting_since) = facts.waiting.map(|row| (row.reason, row.since)).unzip();
    let (held_for, held_since) = facts.held.map(|hold| (hold.reason, hold.since)).unzip();
    let seen = facts.seen.as_ref();
    Ok(Timings {
        guid: guid.to_owned(),
        rowid: seen.map(|seen| seen.rowid).or(rowid),
        outcome: seen.map(|seen| seen.outcome.as_str()),
        sent_at: seen.map(|seen| seen.sent_at),
        decided_at: seen.map(|seen| seen.seen_at),
        waiting_for,
        waiting_since,
        held_for,
        held_since,
        posts: facts.posts.into_iter().map(PostTimings::from).collect(),
    })
}

/// The script, followed by the timings as comments.
fn text(script: &Script, of_message: &Timings, nearby: &[Timings]) -> anyhow::Result<String> {
    let mut text = script.to_jsonl();
    let version = env!("CARGO_PKG_VERSION");
    let now = SystemClock.now();
    writeln!(text, "// archety-relay {version}, reported {now}")?;
    writeln!(text, "// times in microseconds since 1970")?;
    writeln!(
        text,
        "// the message: {}",
        serde_json::to_string(of_message)?
    )?;
    for row in nearby {
        writeln!(text, "// around it: {}", serde_json::to_string(row)?)?;
    }
    Ok(text)
}
