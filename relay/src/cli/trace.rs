//! `trace`: prints what happened to one message between chat.db and the backend, but never its text.

use chatdb::ChatDb;
use serde::Serialize;

use super::flags::ConfigFlags;
use super::output;
use crate::clock::UnixMicros;
use crate::config::Config;
use crate::lifecycle::ExitCode;
use crate::state::outbox::{self, OutboxPost};
use crate::state::seen::{self, SeenMessage};
use crate::state::waiting::{self, Waiting};
use crate::state::{State, StateError, filtered, quarantine};

/// Tell what became of one message: its row in chat.db, the decision about it, its posts.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `message.guid` of chat.db
    guid: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the relay's state knows about one message.
#[derive(Default)]
pub(super) struct StateFacts {
    /// The relay's decision about the row, once the relay has decided.
    pub(super) seen: Option<SeenMessage>,
    /// Why the row waits; `None` if the row does not wait to be completed.
    pub(super) waiting: Option<Waiting>,
    pub(super) held: Option<Hold>,
    pub(super) posts: Vec<OutboxPost>,
}

/// A message that is held back, for the owner or by Apple's filters.
pub(super) struct Hold {
    /// The number of the message in `quarantine list`.
    pub(super) id: i64,
    pub(super) reason: String,
    /// In microseconds since 1970.
    pub(super) since: i64,
}

impl StateFacts {
    pub(super) fn load(state: &State, guid: &str) -> Result<Self, StateError> {
        state.read(|connection| {
            let mut quarantined = quarantine::list(connection)?.into_iter();
            let quarantined = quarantined.find(|held| held.guid == guid).map(|held| Hold {
                id: held.id,
                reason: held.reason,
                since: held.held_at,
            });
            let filtered = match filtered::id_of(connection, guid)? {
                Some(id) => filtered::find(connection, id)?.map(|held| Hold {
                    id,
                    reason: held.reason,
                    since: held.held_since,
                }),
                None => None,
            };
            Ok(Self {
                seen: seen::find(connection, guid)?,
                waiting: waiting::list(connection)?
                    .into_iter()
                    .find(|row| row.guid == guid),
                held: quarantined.or(filtered),
                posts: outbox::of_guid(connection, guid)?,
            })
        })
    }
}

/// The output of `--json`. Times are Unix seconds.
#[derive(Serialize)]
struct Trace {
    guid: String,
    /// The row as it is in chat.db now; `None` if there is none, an error if chat.db cannot be read.
    chat_db: Result<Option<RowFacts>, String>,
    decision: Option<Decision>,
    /// Why the row waits to be completed, if it does.
    waiting_for: Option<String>,
    /// Number in the quarantine, if the message is held back.
    held: Option<i64>,
    posts: Vec<PostTrace>,
}

#[derive(Serialize)]
struct RowFacts {
    rowid: i64,
    service: Option<String>,
    from_owner: bool,
    has_chat: bool,
    has_sender: bool,
    text_chars: usize,
    attachments: usize,
    edits: u32,
    unsent_parts: usize,
    /// How the row relates to another one, such as `link_preview`. A related row may be no message of its own.
    relation: Option<&'static str>,
    /// `message.guid` of the other row, if it is known.
    related_to: Option<String>,
}

#[derive(Serialize)]
struct Decision {
    outcome: &'static str,
    sent_at: i64,
    decided_at: i64,
}

#[derive(Serialize)]
struct PostTrace {
    seq: i64,
    event: String,
    revision: u32,
    state: &'static str,
    attempts: u32,
    last_error: Option<String>,
    message_id: Option<String>,
    created_at: i64,
    delivered_at: Option<i64>,
}

impl From<OutboxPost> for PostTrace {
    fn from(post: OutboxPost) -> Self {
        Self {
            seq: post.seq,
            state: post.state.as_str(),
            created_at: post.created_at.as_secs(),
            delivered_at: post.delivered_at.map(UnixMicros::as_secs),
            event: post.event,
            revision: post.revision,
            attempts: post.attempts,
            last_error: post.last_error,
            message_id: post.message_id,
        }
    }
}

impl Args {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let state = State::open_beside(&config.state_dir)?;
        let trace = collect(&config, &state, self.guid)?;
        let is_known = trace.decision.is_some()
            || trace.held.is_some()
            || trace.waiting_for.is_some()
            || !trace.posts.is_empty()
            || matches!(trace.chat_db, Ok(Some(_)));
        if self.json {
            output::json(&trace)?;
        } else {
            print(&trace)?;
        }
        Ok(if is_known {
            ExitCode::Done
        } else {
            ExitCode::Failed
        })
    }
}

fn collect(config: &Config, state: &State, guid: String) -> anyhow::Result<Trace> {
    let facts = StateFacts::load(state, &guid)?;
    Ok(Trace {
        chat_db: row_facts(config, &guid),
        decision: facts.seen.map(|seen| Decision {
            outcome: seen.outcome.as_str(),
            sent_at: output::secs(seen.sent_at),
            decided_at: output::secs(seen.seen_at),
        }),
        waiting_for: facts.waiting.map(|row| row.reason),
        held: facts.held.map(|hold| hold.id),
        posts: facts.posts.into_iter().map(PostTrace::from).collect(),
        guid,
    })
}

/// What chat.db says now about the message; the text of the error if chat.db cannot be read.
fn row_facts(config: &Config, guid: &str) -> Result<Option<RowFacts>, String> {
    let db = ChatDb::open(&config.chat_db).map_err(|error| error.to_string())?;
    let row = match db.rowid_of(guid) {
        Ok(Some(rowid)) => db.row(rowid),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    let row = row.map_err(|error| error.to_string())?;
    Ok(row.map(|row| RowFacts {
        rowid: row.rowid,
        from_owner: row.is_from_me,
        has_chat: row.chat.is_some(),
        has_sender: row.handle.is_some(),
        text_chars: row.visible_text().chars().count(),
        attachments: row.attachments.len(),
        edits: row.summary.history_length,
        unsent_parts: row.summary.unsent_parts.len(),
        relation: row.relation.as_str(),
        related_to: row.relation.related_guid().map(str::to_owned),
        service: row.service,
    }))
}

/// The date and time of Unix seconds.
fn formatted(secs: i64) -> String {
    UnixMicros::from_secs(secs).to_string()
}

fn print(trace: &Trace) -> std::io::Result<()> {
    let mut rows = vec![vec!["guid".to_owned(), trace.guid.clone()]];
    let mut add = |what: &str, text: String| rows.push(vec![what.to_owned(), text]);
    match &trace.chat_db {
        Ok(Some(row)) => {
            let chat = if row.has_chat {
                "in a chat"
            } else {
                "in no chat yet"
            };
            let sender = match (row.from_owner, row.has_sender) {
                (true, _) => "by the owner",
                (false, true) => "sender known",
                (false, false) => "sender not known yet",
            };
            add(
                "chat.db",
                format!(
                    "row {}, {chat}, {sender}, {} characters, {} attachments",
                    row.rowid, row.text_chars, row.attachments
                ),
            );
            if let Some(relation) = row.relation {
                let other = row
                    .related_to
                    .as_deref()
                    .unwrap_or("a row that is not known");
                add("relation", format!("{relation} {other}"));
            }
        }
        Ok(None) => add("chat.db", "no such message".to_owned()),
        Err(error) => add("chat.db", error.clone()),
    }
    match (&trace.decision, &trace.waiting_for) {
        (Some(decision), _) => {
            add(
                "decision",
                format!("{} at {}", decision.outcome, formatted(decision.decided_at)),
            );
            add("sent", formatted(decision.sent_at));
        }
        (None, Some(reason)) => add("waiting", reason.clone()),
        (None, None) => add(
            "decision",
            "none: the relay has not read this message".to_owned(),
        ),
    }
    if let Some(id) = trace.held {
        add(
            "held",
            format!("as number {id}; see `archety-relay quarantine list`"),
        );
    }
    for post in &trace.posts {
        let delivered = post
            .delivered_at
            .map_or(String::new(), |at| format!(" at {}", formatted(at)));
        let error = post
            .last_error
            .as_ref()
            .map_or(String::new(), |code| format!(", last {code}"));
        let post = format!(
            "{} {} {}{delivered} ({} attempts{error})",
            post.event, post.revision, post.state, post.attempts
        );
        add("post", post);
    }
    output::table(&["", ""], &rows)
}
