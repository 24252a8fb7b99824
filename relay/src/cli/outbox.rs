//! `outbox`: lists the posts of the outbox, tries them again, or drops them.

use anyhow::bail;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Serialize;

use super::flags::ConfigFlags;
use super::output;
use crate::clock::{Clock, SystemClock, UnixMicros};
use crate::lifecycle::ExitCode;
use crate::state::State;
use crate::state::outbox::{self, OutboxPost, PostState};

/// See what waits to be delivered, try it again, or give it up.
///
/// All of these work beside a running relay, which takes notice within a second.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List posts, oldest first
    List {
        /// Only those in this state; pending and parked ones without it
        #[arg(long, value_enum)]
        state: Option<PostState>,
        /// At most so many of each state
        #[arg(long, default_value_t = 100)]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Try pending or parked posts again at once
    Retry {
        /// Numbers from `outbox list`
        #[arg(required = true, value_name = "SEQ")]
        seqs: Vec<i64>,
    },
    /// Give posts up: their messages never reach the backend
    Drop {
        /// Numbers from `outbox list`
        #[arg(required = true, value_name = "SEQ")]
        seqs: Vec<i64>,
        /// Confirm that they are dropped for good
        #[arg(long)]
        yes: bool,
    },
}

impl ValueEnum for PostState {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Pending, Self::Parked, Self::Delivered, Self::Dropped]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

/// A post as `outbox list --json` prints it. Times are Unix seconds.
#[derive(Serialize)]
struct ListedPost<'p> {
    seq: i64,
    state: PostState,
    message_guid: &'p str,
    event: &'p str,
    revision: u32,
    webhook_id: &'p str,
    attempts: u32,
    last_error: Option<&'p str>,
    message_id: Option<&'p str>,
    created_at: i64,
    next_attempt_at: Option<i64>,
    delivered_at: Option<i64>,
}

impl<'p> From<&'p OutboxPost> for ListedPost<'p> {
    fn from(post: &'p OutboxPost) -> Self {
        // 0 if the post may be sent at once.
        let next = post.next_attempt_at.as_secs();
        Self {
            seq: post.seq,
            state: post.state,
            message_guid: &post.message_guid,
            event: &post.event,
            revision: post.revision,
            webhook_id: &post.webhook_id,
            attempts: post.attempts,
            last_error: post.last_error.as_deref(),
            message_id: post.message_id.as_deref(),
            created_at: post.created_at.as_secs(),
            next_attempt_at: (next > 0).then_some(next),
            delivered_at: post.delivered_at.map(UnixMicros::as_secs),
        }
    }
}

impl Command {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let config = flags.config()?;
        let state = State::open_beside(&config.state_dir)?;
        match self {
            Self::List {
                state: chosen,
                limit,
                json,
            } => {
                let states = chosen.map_or_else(
                    || vec![PostState::Pending, PostState::Parked],
                    |chosen| vec![chosen],
                );
                let mut posts = Vec::new();
                for wanted in states {
                    posts.extend(state.read(|c| outbox::list(c, wanted, limit))?);
                }
                if json {
                    output::json(&posts.iter().map(ListedPost::from).collect::<Vec<_>>())?;
                } else {
                    list(&posts)?;
                }
                Ok(ExitCode::Done)
            }
            Self::Retry { seqs } => for_each_post(&seqs, "is tried again", |seq| {
                Ok(state.write(|tx| outbox::retry(tx, seq))?)
            }),
            Self::Drop { yes: false, .. } => {
                bail!("a dropped message never reaches the backend; add --yes if that is meant")
            }
            Self::Drop { seqs, yes: true } => {
                let now = SystemClock.now();
                for_each_post(&seqs, "is dropped", |seq| {
                    Ok(state.write(|tx| outbox::drop_post(tx, seq, now))?)
                })
            }
        }
    }
}

fn list(posts: &[OutboxPost]) -> std::io::Result<()> {
    if posts.is_empty() {
        eprintln!("nothing waits");
        return Ok(());
    }
    let heading = [
        "SEQ",
        "STATE",
        "EVENT",
        "ATTEMPTS",
        "LAST ERROR",
        "SINCE",
        "GUID",
    ];
    let row = |post: &OutboxPost| {
        vec![
            post.seq.to_string(),
            post.state.as_str().to_owned(),
            post.event.clone(),
            post.attempts.to_string(),
            post.last_error.clone().unwrap_or_else(|| "-".to_owned()),
            post.created_at.to_string(),
            post.message_guid.clone(),
        ]
    };
    output::table(&heading, &posts.iter().map(row).collect::<Vec<_>>())
}

/// Applies `act` to each post and prints what was done to it. `act` returns false if the post is neither pending
/// nor parked.
fn for_each_post(
    seqs: &[i64],
    what_was_done: &str,
    act: impl Fn(i64) -> anyhow::Result<bool>,
) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::Done;
    for &seq in seqs {
        if act(seq)? {
            eprintln!("{seq} {what_was_done}");
        } else {
            eprintln!("{seq} is neither pending nor parked");
            code = ExitCode::Failed;
        }
    }
    Ok(code)
}
