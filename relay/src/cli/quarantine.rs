//! `quarantine`: lists, releases and drops the messages that the relay holds back. Such a message is late (it
//! may be an old one that iCloud brought back, and the owner decides), filtered (held back by Apple's filters or
//! the owner's blocking, as long as Messages marks it or its chat so) or unread (a bug of the relay keeps it from
//! reading the row).

use anyhow::bail;
use serde::Serialize;
use shared_protocol::Message;

use super::flags::ConfigFlags;
use super::output::{self, secs};
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::lifecycle::ExitCode;
use crate::mask::Masked;
use crate::pipeline::{ReleaseAs, ReleaseOutcome, discard, release};
use crate::state::filtered::{self, FilteredMessage};
use crate::state::quarantine::{self, HeldMessage};
use crate::state::{State, StateError};

/// See what is held, forward it, or give it up.
///
/// A message is held as `late` when it appears behind newer ones, though the network was there when it
/// was sent: it may be new, and it may be an old one that iCloud brought back. The owner decides.
///
/// A message is held as `filtered` when Apple's filters or a blocked chat hold it back. It is relayed by
/// itself once Messages lifts the mark; more than 12 hours after it was sent as an old one.
///
/// A row is held as `unread` when a bug of the relay keeps it from reading it; the log says where.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List what is held, in the order of the numbers
    List {
        /// Only what is held for this
        #[arg(long, value_name = "KIND")]
        only: Option<HeldAs>,
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
    ///
    /// What filters held back goes as an old message, stored and never answered, if it was sent more than
    /// 12 hours ago; everything else as one that just came in. A copy of a message that was posted is taken
    /// off the list and not posted again.
    Release {
        #[command(flatten)]
        which: Chosen,
        /// As old messages: stored, never answered
        #[arg(long)]
        as_old: bool,
        /// As messages that just came in, however old
        #[arg(long, conflicts_with = "as_old")]
        as_new: bool,
    },
    /// Give held messages up: they never reach the backend
    Drop {
        #[command(flatten)]
        which: Chosen,
        /// Confirm that they are dropped for good
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Chosen {
    /// Numbers from `quarantine list`
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// Everything that is held as late
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// Everything that filters hold back
    #[arg(long, conflicts_with = "ids")]
    all_filtered: bool,
}

/// The reason for which a message is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum HeldAs {
    /// It may be an old one
    Late,
    /// Apple's filters hold it back
    Filtered,
    /// The relay has a bug that keeps it from reading it
    Unread,
}

/// A held message as it is listed. Times are Unix seconds.
#[derive(Serialize)]
struct ListedMessage {
    id: i64,
    kind: HeldAs,
    message_guid: String,
    reason: String,
    /// The sender, masked: lists end up in bug reports.
    from: String,
    sent_at: i64,
    held_at: i64,
    /// The message as JSON; `None` until the relay has read the row.
    #[serde(skip)]
    body: Option<Vec<u8>>,
}

impl From<HeldMessage> for ListedMessage {
    fn from(held: HeldMessage) -> Self {
        // A row over which the relay panicked has no body until a later reading succeeds.
        let body = Some(held.body).filter(|body| !body.is_empty());
        Self {
            id: held.id,
            kind: if body.is_some() {
                HeldAs::Late
            } else {
                HeldAs::Unread
            },
            message_guid: held.guid,
            reason: held.reason,
            from: masked_sender(body.as_deref()),
            sent_at: secs(held.sent_at),
            held_at: secs(held.held_at),
            body,
        }
    }
}

impl From<FilteredMessage> for ListedMessage {
    fn from(held: FilteredMessage) -> Self {
        Self {
            id: held.id,
            kind: HeldAs::Filtered,
            message_guid: held.guid,
            reason: held.reason,
            from: masked_sender(held.body.as_deref()),
            sent_at: secs(held.sent_at),
            held_at: secs(held.held_since),
            body: held.body,
        }
    }
}

/// The sender in the message's JSON, masked; `?` if there is no JSON that can be read.
fn masked_sender(body: Option<&[u8]>) -> String {
    match body.map(Message::from_json) {
        Some(Ok(message)) => Masked(&message.sender).to_string(),
        _ => "?".to_owned(),
    }
}

impl Command {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let state = State::open_beside(&config.state_dir)?;
        match self {
            Self::List { only, json } => {
                let mut held = all_held(&state)?;
                held.retain(|held| only.is_none_or(|kind| held.kind == kind));
                if json {
                    output::json(&held)?;
                } else {
                    print(&held)?;
                }
                Ok(ExitCode::Done)
            }
            Self::Show { id } => {
                let Some(held) = all_held(&state)?.into_iter().find(|held| held.id == id) else {
                    bail!("{id} is not held")
                };
                let Some(body) = held.body else {
                    let is_unread = held.kind == HeldAs::Unread;
                    bail!("{id} {}", if is_unread { PANICKED } else { NOT_READ_YET })
                };
                output::json(&serde_json::from_slice::<serde_json::Value>(&body)?)?;
                Ok(ExitCode::Done)
            }
            Self::Release {
                which,
                as_old,
                as_new,
            } => {
                let release_as = match (as_old, as_new) {
                    (true, _) => ReleaseAs::Backfill,
                    (_, true) => ReleaseAs::Live,
                    _ => ReleaseAs::Auto,
                };
                let now = SystemClock.now();
                let relay = &config.relay_name;
                for_each_chosen(&state, which, |id| {
                    let released = state.write(|tx| release(tx, relay, id, release_as, now))?;
                    Ok(match released {
                        ReleaseOutcome::Done => Ok("is forwarded"),
                        ReleaseOutcome::PostedBefore => {
                            Ok("was posted before, from another row; it is off the list")
                        }
                        ReleaseOutcome::NotHeld => Err("is not held"),
                        ReleaseOutcome::NotReadYet => Err(NOT_READ_YET),
                        ReleaseOutcome::Panicked => Err(PANICKED),
                    })
                })
            }
            Self::Drop { yes: false, .. } => {
                bail!("a dropped message never reaches the backend; add --yes if that is meant")
            }
            Self::Drop { which, yes: true } => for_each_chosen(&state, which, |id| {
                let was_held = state.write(|tx| discard(tx, id))?;
                Ok(if was_held {
                    Ok("is dropped")
                } else {
                    Err("is not held")
                })
            }),
        }
    }
}

/// For a row over which the relay panicked.
const PANICKED: &str = "cannot be read by this relay, which has a bug there; a newer one that starts \
                        within a day of the message reads it";
/// For a row that an earlier release skipped: it is listed as filtered at once, but only a running relay reads it.
const NOT_READ_YET: &str = "was not read yet; the relay reads it while it runs: try again then";

/// All messages that are held back, in the order of their numbers.
fn all_held(state: &State) -> Result<Vec<ListedMessage>, StateError> {
    let (quarantined, filtered) = state
        .read(|connection| Ok((quarantine::list(connection)?, filtered::list(connection)?)))?;
    let quarantined = quarantined.into_iter().map(ListedMessage::from);
    let filtered = filtered.into_iter().map(ListedMessage::from);
    let mut held: Vec<ListedMessage> = quarantined.chain(filtered).collect();
    held.sort_by_key(|held| held.id);
    Ok(held)
}

fn print(held: &[ListedMessage]) -> std::io::Result<()> {
    if held.is_empty() {
        eprintln!("nothing is held");
        return Ok(());
    }
    let name = |kind| match kind {
        HeldAs::Late => "late",
        HeldAs::Filtered => "filtered",
        HeldAs::Unread => "unread",
    };
    let row = |held: &ListedMessage| {
        vec![
            held.id.to_string(),
            name(held.kind).to_owned(),
            held.from.clone(),
            UnixMicros::from_secs(held.sent_at).to_string(),
            UnixMicros::from_secs(held.held_at).to_string(),
            held.reason.clone(),
            held.message_guid.clone(),
        ]
    };
    output::table(
        &["ID", "KIND", "FROM", "SENT", "HELD SINCE", "REASON", "GUID"],
        &held.iter().map(row).collect::<Vec<_>>(),
    )
}

/// Applies `act` to each of the chosen messages and prints the text that it returns. The inner result is `Err`
/// if the message stays as it is: it is not held, or the relay has not read it.
fn for_each_chosen(
    state: &State,
    which: Chosen,
    act: impl Fn(i64) -> Result<Result<&'static str, &'static str>, StateError>,
) -> anyhow::Result<ExitCode> {
    let mut ids = which.ids;
    if which.all || which.all_filtered {
        let held = all_held(state)?.into_iter();
        let chosen = held.filter(|held| match held.kind {
            HeldAs::Late => which.all,
            HeldAs::Filtered => which.all_filtered,
            HeldAs::Unread => false,
        });
        ids = chosen.map(|held| held.id).collect();
    }
    let mut code = ExitCode::Done;
    for id in ids {
        let (Ok(result) | Err(result)) = act(id)?.inspect_err(|_| code = ExitCode::Failed);
        eprintln!("{id} {result}");
    }
    Ok(code)
}
