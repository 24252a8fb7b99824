//! `attention list` and `attention resolve`: what an operator has to look at.

use std::fmt;
use std::str::FromStr;

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::output::ListArgs;
use super::{Failure, with_store};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::store::Store;
use crate::store::replies::{AttentionRow, AttentionSubject};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List replies that may not have been sent, and messages that were not answered
    #[command(
        after_long_help = "Bubbles of replies, with their state on the Mac:\n  \
unknown   the relay cannot tell whether Messages sent it; look into the chat\n  \
held      Messages would have sent it from another line; decide on the Mac, with `archety-relay ledger`\n  \
expired   it could not be sent in its time\n  \
failed    it was not sent; the code says why\n\n\
Turns, which are what a chat has said since it was last answered:\n  \
too_old   the newest message was too old to be answered\n  \
failed    the responder could not answer\n  \
loop      two machines answered each other, so the chat was paused\n\n\
With --json times are Unix seconds. Entries are deleted after 30 days."
    )]
    List(ListArgs),
    /// Take entries off the list, once you have dealt with them
    #[command(
        after_long_help = "Nothing is sent by this, and nothing cancelled. A bubble that gets another state later \
comes back to the list."
    )]
    Resolve {
        /// The entries' ids, as `attention list` prints them
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<Subject>,
        /// Take every entry off the list
        #[arg(long)]
        all: bool,
    },
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    with_store(config, async |store, now| match args.command {
        Command::List(list) => {
            let rows = store.attention().await?;
            let as_line = |row: &AttentionRow| as_line(row);
            list.print(&rows, as_json, as_line, "nothing needs attention");
            Ok(())
        }
        Command::Resolve { all: true, .. } => {
            let rows = store.attention().await?;
            let subjects: Vec<_> = rows.into_iter().map(|row| Subject(row.subject)).collect();
            resolve(store, &subjects, now).await
        }
        Command::Resolve { ids, .. } => resolve(store, &ids, now).await,
    })
    .await
}

/// Resolves all entries, and fails if one of them is not on the list.
async fn resolve(store: &Store, subjects: &[Subject], now: Timestamp) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for subject in subjects {
        if !store.resolve_attention(&subject.0, now).await? {
            missing.push(subject.to_string());
        }
    }
    eprintln!("resolved: {}", subjects.len() - missing.len());
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "not on the list: {}",
        missing.join(" ")
    )))
}

fn as_json(row: &AttentionRow) -> Value {
    let conversation = row.conversation.as_ref();
    let kind = match row.subject {
        AttentionSubject::Bubble { .. } => "bubble",
        AttentionSubject::Turn { .. } => "turn",
    };
    json!({
        "id": Subject(row.subject.clone()).to_string(),
        "kind": kind,
        "relay": row.relay,
        "state": row.state,
        "code": row.code,
        "since": row.since.as_secs(),
        "conversation_id": conversation.map(|it| it.id),
        "chat_guid": conversation.map(|it| &it.chat_guid),
        "line": conversation.map(|it| &it.line),
    })
}

fn as_line(row: &AttentionRow) -> String {
    let id = Subject(row.subject.clone()).to_string();
    let state = match &row.code {
        Some(code) => format!("{} ({code})", row.state),
        None => row.state.clone(),
    };
    let chat = row.conversation.as_ref().map_or("-", |it| &it.chat_guid);
    let since = row.since.human_readable();
    format!("{id:<44} {state:<28} {since}  {}  {chat}", row.relay)
}

/// An entry of the list, written as its id: `cmd_….0` for a bubble, `turn_….3` for a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject(AttentionSubject);

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            AttentionSubject::Bubble { command_id, bubble } => write!(f, "{command_id}.{bubble}"),
            AttentionSubject::Turn {
                conversation_id,
                number,
            } => write!(f, "turn_{}.{number}", conversation_id.simple()),
        }
    }
}

impl FromStr for Subject {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "no id of `attention list`, such as cmd_1a….0 or turn_1a….3";
        let (head, number) = text.rsplit_once('.').ok_or(RULE)?;
        if let Some(conversation_id) = head.strip_prefix("turn_") {
            return Ok(Self(AttentionSubject::Turn {
                conversation_id: Uuid::try_parse(conversation_id).map_err(|_| RULE)?,
                number: number.parse().map_err(|_| RULE)?,
            }));
        }
        Ok(Self(AttentionSubject::Bubble {
            command_id: head.to_owned(),
            bubble: number.parse().map_err(|_| RULE)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let subjects = [
            AttentionSubject::Bubble {
                command_id: "cmd_1a.b".to_owned(),
                bubble: 3,
            },
            AttentionSubject::Turn {
                conversation_id: Uuid::from_u128(7),
                number: 12,
            },
        ];
        for subject in subjects {
            let subject = Subject(subject);
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
        for bad in ["", "cmd_1", "cmd_1.x", "turn_1.2", "turn_.1"] {
            assert!(bad.parse::<Subject>().is_err(), "{bad}");
        }
    }
}
