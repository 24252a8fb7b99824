//! `ledger`: lists what was passed to Messages and what waits, and decides about the texts that wait for the owner.

use serde::Serialize;

use super::flags::ConfigFlags;
use super::output;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::lifecycle::ExitCode;
use crate::mask::Masked;
use crate::state::State;
use crate::state::ledger::owner::{
    LedgerEntry, Listing, Resolution, ResolveRefusal, list, resolve,
};
use crate::state::ledger::{BubbleNumber, BubbleState};

/// See what became of each text that the backend asked to send, and decide about those that wait.
///
/// A text is `unknown` if it was passed to Messages and no row of chat.db proves that it was sent: it may have
/// been sent, so it is never sent again by itself. A text is `held` if Messages would send it from another line.
/// Look into the chat in Messages, then decide. The rest of a reply waits for its unknown or held text.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the texts that wait for your decision
    List {
        /// Also those that wait to be sent, or for their row in chat.db
        #[arg(long)]
        open: bool,
        /// Everything of the last 30 days, newest first
        #[arg(long, conflicts_with = "open")]
        all: bool,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print JSON; times are Unix seconds
        #[arg(long)]
        json: bool,
    },
    /// Decide about texts that are unknown or held
    Resolve {
        /// Numbers from `ledger list`
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<i64>,
        #[command(flatten)]
        decision: Decision,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Decision {
    /// They were sent: you see them in the chat
    #[arg(long)]
    sent: bool,
    /// Send them, again if they were sent before, from whatever line Messages chooses
    #[arg(long)]
    send: bool,
    /// Give them up; the rest of their replies may go. Also drops texts that still wait to be sent
    #[arg(long)]
    drop: bool,
}

impl Decision {
    fn resolution(&self) -> Resolution {
        match (self.sent, self.send) {
            (true, _) => Resolution::Sent,
            (_, true) => Resolution::Send,
            _ => Resolution::Drop,
        }
    }
}

/// A text as `ledger list --json` prints it. Times are Unix seconds.
#[derive(Serialize)]
struct ListedBubble<'e> {
    number: i64,
    command_id: &'e str,
    bubble: u32,
    state: &'static str,
    code: Option<&'e str>,
    /// The chat, masked: lists end up in bug reports.
    chat: String,
    line: Option<String>,
    /// Whether another installation of this relay may have sent it.
    handed: bool,
    /// Whether its text is still there, so that it can be sent.
    has_text: bool,
    taken_at: i64,
    dispatched_at: Option<i64>,
    reached_at: i64,
    message_guid: Option<&'e str>,
}

impl<'e> From<&'e LedgerEntry> for ListedBubble<'e> {
    fn from(entry: &'e LedgerEntry) -> Self {
        Self {
            number: entry.number.0,
            command_id: &entry.command_id,
            bubble: entry.bubble,
            state: entry.state.as_str(),
            code: entry.code.as_deref(),
            chat: masked_chat(entry.conversation.as_deref()),
            line: entry.line.as_deref().map(|line| Masked(line).to_string()),
            handed: entry.is_handed,
            has_text: entry.has_text,
            taken_at: entry.taken_at.as_secs(),
            dispatched_at: entry.dispatched_at.map(UnixMicros::as_secs),
            reached_at: entry.reached_at.as_secs(),
            message_guid: entry.message_guid.as_deref(),
        }
    }
}

/// The address or the group at the end of a chat guid, masked; `?` if the chat was forgotten.
fn masked_chat(conversation: Option<&str>) -> String {
    let Some(conversation) = conversation else {
        return "?".to_owned();
    };
    let name = conversation
        .strip_prefix("-;")
        .or_else(|| conversation.strip_prefix("+;"))
        .unwrap_or(conversation);
    Masked(name).to_string()
}

impl Command {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let state = State::open_beside(&config.state_dir)?;
        match self {
            Self::List {
                open,
                all,
                limit,
                json,
            } => {
                let listing = match (open, all) {
                    (_, true) => Listing::All,
                    (true, _) => Listing::Unfinished,
                    _ => Listing::ForOwner,
                };
                let entries = state.read(|connection| list(connection, listing, limit))?;
                let listed: Vec<_> = entries.iter().map(ListedBubble::from).collect();
                if json {
                    output::json(&listed)?;
                } else {
                    print(&listed, listing)?;
                }
                Ok(ExitCode::Done)
            }
            Self::Resolve { numbers, decision } => {
                let resolution = decision.resolution();
                let mut code = ExitCode::Done;
                for number in numbers {
                    let now = SystemClock.now();
                    let resolved = state
                        .write_durably(|tx| resolve(tx, BubbleNumber(number), resolution, now))?;
                    match resolved {
                        Ok(()) => eprintln!("{number} {}", outcome_text(resolution)),
                        Err(refusal) => {
                            eprintln!("{number} {}", refusal_text(refusal));
                            code = ExitCode::Failed;
                        }
                    }
                }
                Ok(code)
            }
        }
    }
}

const fn outcome_text(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Sent => "counts as sent",
        Resolution::Send => "is sent as soon as sending allows",
        Resolution::Drop => "is given up",
    }
}

fn refusal_text(refusal: ResolveRefusal) -> String {
    match refusal {
        ResolveRefusal::Missing => "is not in the ledger; see `ledger list`".to_owned(),
        ResolveRefusal::NoText => {
            "cannot be sent: its text was removed; use --sent or --drop".to_owned()
        }
        ResolveRefusal::InChatDb => {
            "is not sent again: it is in chat.db; use --sent or --drop".to_owned()
        }
        ResolveRefusal::State(BubbleState::Queued) => {
            "waits to be sent; use --drop to give it up".to_owned()
        }
        ResolveRefusal::State(state) => {
            format!("is {}: there is nothing to decide", state.as_str())
        }
    }
}

fn print(listed: &[ListedBubble<'_>], listing: Listing) -> anyhow::Result<()> {
    if listed.is_empty() {
        eprintln!(
            "{}",
            match listing {
                Listing::ForOwner => "nothing waits for your decision",
                Listing::Unfinished => "nothing waits",
                Listing::All => "the ledger is empty",
            }
        );
        return Ok(());
    }
    let heading = [
        "NUMBER",
        "STATE",
        "CHAT",
        "PASSED ON",
        "SINCE",
        "CODE",
        "COMMAND",
    ];
    let at = |secs: i64| UnixMicros::from_secs(secs).to_string();
    let row = |bubble: &ListedBubble<'_>| {
        vec![
            bubble.number.to_string(),
            bubble.state.to_owned(),
            bubble.chat.clone(),
            bubble.dispatched_at.map_or_else(|| "-".to_owned(), at),
            at(bubble.reached_at),
            bubble.code.unwrap_or("-").to_owned(),
            format!("{} #{}", bubble.command_id, bubble.bubble),
        ]
    };
    output::table(&heading, &listed.iter().map(row).collect::<Vec<_>>())?;
    if listed
        .iter()
        .any(|bubble| bubble.state == BubbleState::Unknown.as_str())
    {
        eprintln!(
            "unknown: look into the chat in Messages, then `archety-relay ledger resolve NUMBER --sent`, \
             --send or --drop"
        );
    }
    Ok(())
}
