//! `quarantine`: messages that may be old ones brought back by iCloud, held until the owner decides.

use anyhow::bail;
use serde::Serialize;
use shared_protocol::Message;

use super::flags::ConfigFlags;
use super::output;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::lifecycle::ExitCode;
use crate::pipeline::{ReleaseAs, give_up, release};
use crate::state::quarantine::{self, Held};
use crate::state::{State, StateError};

/// See what is held as possibly old, forward it, or give it up.
///
/// A message is held when it appears late, behind newer ones, though the network was there when it was
/// sent: it may be new, and it may be an old one that iCloud brought back.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what is held, oldest first
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print one held message, its text included
    Show {
        /// Its number from `quarantine list`
        id: i64,
    },
    /// Forward held messages
    Release {
        /// Numbers from `quarantine list`
        #[arg(required_unless_present = "all", value_name = "ID")]
        ids: Vec<i64>,
        /// Everything that is held
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// As old messages: stored, never answered
        #[arg(long)]
        as_old: bool,
    },
    /// Give held messages up: they never reach the backend
    Drop {
        /// Numbers from `quarantine list`
        #[arg(required_unless_present = "all", value_name = "ID")]
        ids: Vec<i64>,
        /// Everything that is held
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// Yes, for good
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Serialize)]
struct Line<'h> {
    id: i64,
    message_guid: &'h str,
    reason: &'h str,
    /// The last four characters of who sent it.
    from: String,
    /// Unix seconds, like every time here.
    sent_at: i64,
    held_at: i64,
}

impl<'h> From<&'h Held> for Line<'h> {
    fn from(held: &'h Held) -> Self {
        let secs = |micros| UnixMicros::from_micros(micros).as_secs();
        Self {
            id: held.id,
            message_guid: &held.guid,
            reason: &held.reason,
            from: sender(held),
            sent_at: secs(held.sent_at),
            held_at: secs(held.held_at),
        }
    }
}

impl Command {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let state = State::open_beside(&config.state_dir)?;
        match self {
            Self::List { json } => {
                let held = state.read(quarantine::list)?;
                if json {
                    output::json(&held.iter().map(Line::from).collect::<Vec<_>>())?;
                } else {
                    print(&held)?;
                }
                Ok(ExitCode::Done)
            }
            Self::Show { id } => {
                let held = state
                    .read(quarantine::list)?
                    .into_iter()
                    .find(|held| held.id == id);
                let Some(held) = held else {
                    bail!("{id} is not held")
                };
                output::json(&serde_json::from_slice::<serde_json::Value>(&held.body)?)?;
                Ok(ExitCode::Done)
            }
            Self::Release { ids, as_old, .. } => {
                let release_as = if as_old {
                    ReleaseAs::Backfill
                } else {
                    ReleaseAs::Live
                };
                let now = SystemClock.now();
                let relay = &config.relay_name;
                each(&state, ids, "is forwarded", |id| {
                    state.write(|tx| release(tx, relay, id, release_as, now))
                })
            }
            Self::Drop { yes: false, .. } => {
                bail!("a dropped message never reaches the backend; add --yes if that is meant")
            }
            Self::Drop { ids, yes: true, .. } => each(&state, ids, "is dropped", |id| {
                state.write(|tx| give_up(tx, id))
            }),
        }
    }
}

/// Who sent it, masked: a list is read over shoulders; `show` tells everything.
fn sender(held: &Held) -> String {
    Message::from_json(&held.body)
        .map_or_else(|_| "?".to_owned(), |message| masked(&message.sender))
}

fn masked(address: &str) -> String {
    let hidden = address.chars().count().saturating_sub(4);
    format!("…{}", address.chars().skip(hidden).collect::<String>())
}

fn print(held: &[Held]) -> std::io::Result<()> {
    if held.is_empty() {
        eprintln!("nothing is held");
        return Ok(());
    }
    let time = |micros| UnixMicros::from_micros(micros).to_string();
    let rows: Vec<Vec<String>> = held
        .iter()
        .map(|held| {
            vec![
                held.id.to_string(),
                sender(held),
                time(held.sent_at),
                time(held.held_at),
                held.reason.clone(),
                held.guid.clone(),
            ]
        })
        .collect();
    output::table(
        &["ID", "FROM", "SENT", "HELD SINCE", "REASON", "GUID"],
        &rows,
    )
}

/// Acts on each of `ids`, or on everything that is held if none is named.
fn each(
    state: &State,
    ids: Vec<i64>,
    done: &str,
    act: impl Fn(i64) -> Result<bool, StateError>,
) -> anyhow::Result<ExitCode> {
    let ids = if ids.is_empty() {
        state
            .read(quarantine::list)?
            .iter()
            .map(|held| held.id)
            .collect()
    } else {
        ids
    };
    let mut code = ExitCode::Done;
    for id in ids {
        if act(id)? {
            eprintln!("{id} {done}");
        } else {
            eprintln!("{id} is not held");
            code = ExitCode::Failed;
        }
    }
    Ok(code)
}
