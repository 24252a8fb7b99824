//! `move`: hands the relay's name over to another Mac, or takes it on this one.
//!
//! The command writes what the owner wants into the state, and the relay carries it out; so it goes on if the command is
//! interrupted, and the command can be repeated.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::flags::ConfigFlags;
use super::run::parse_span;
use crate::backend::availability::TroubleStatus;
use crate::clock::{Clock, SystemClock};
use crate::lifecycle::ExitCode;
use crate::state::ledger::name_move::{self, LeftBehind, MoveStep, NameMove, Unsettled};
use crate::state::{STATE_FILE, State, StateError, meta};

/// How often the state is read.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const STEPS: &str = "\
From one Mac to another:
  1. On the old Mac, while its relay runs: archety-relay move --out
     Nothing more is passed to Messages. The relay waits until it is known what became of
     the texts that were passed on, and until the backend has every message and report.
     Then the backend releases the name, and this Mac neither relays nor sends any more.
     The command can be interrupted and repeated; `move --in` on the same Mac ends the move.
  2. On the new Mac: archety-relay move --in
     The relay takes the name at once if it runs, otherwise when it starts.

If the old Mac is dead or out of reach, on the new Mac: archety-relay move --take
  The relay takes the name from the old Mac, and the backend refuses that Mac until
  `move --in` is used there.

No text is sent twice. What the backend has given to one Mac is not sent by the next one,
but looked for in its Messages. What is not found there is unknown: `archety-relay ledger
list` shows it for your decision.";

/// Hand the relay's name over to another Mac, or take it on this one.
///
/// One Mac at a time has a relay's name. The backend refuses another Mac that uses the same name and secret.
#[derive(Debug, clap::Args)]
#[command(after_long_help = STEPS)]
pub(super) struct Args {
    #[command(flatten)]
    direction: Direction,
    /// How long the command waits for the relay, which goes on afterwards
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = parse_span)]
    wait: Duration,
    /// With --take: do not ask
    #[arg(long, conflicts_with_all = ["out", "into"])]
    yes: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Direction {
    /// Settle what is under way on this Mac, then give the name up
    #[arg(long)]
    out: bool,
    /// Take the name on this Mac, after `--out` on the other one
    #[arg(long = "in")]
    into: bool,
    /// Take the name on this Mac although the other one, which is dead, has it
    #[arg(long)]
    take: bool,
}

impl Args {
    pub(super) fn execute(&self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        if flags
            .values()
            .get("auth")
            .is_some_and(|auth| auth.text == "bearer")
        {
            bail!(
                "auth is bearer: such a relay has no lease, so stop it here and start it on the other Mac"
            );
        }
        let dir = flags.config()?.state_dir;
        if self.direction.out {
            return move_out(&dir, self.wait);
        }
        let step = if self.direction.take {
            if !self.yes && !confirm_take()? {
                return Ok(ExitCode::Failed);
            }
            MoveStep::TakingOver
        } else {
            MoveStep::Taking
        };
        move_in(&dir, step, self.wait)
    }
}

/// Explains what taking the name means, and asks whether to do it.
fn confirm_take() -> anyhow::Result<bool> {
    eprintln!(
        "--take is for a Mac that is dead or out of reach. On one that runs, use `archety-relay move --out`: it settles \
         what is under way there.\n\
         The backend refuses the other Mac from now on. If it is still up, it may pass on texts for up to a minute \
         that it has already. What it was given is not sent here: it is looked for in Messages, and what is not found is \
         unknown, for your decision (`archety-relay ledger list`)."
    );
    if !std::io::stdin().is_terminal() {
        bail!("nothing was changed; add --yes to take the name");
    }
    eprint!("Take the name? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    let is_yes = matches!(answer.trim(), "y" | "Y" | "yes");
    if !is_yes {
        eprintln!("nothing was changed");
    }
    Ok(is_yes)
}

fn move_out(dir: &Path, wait: Duration) -> anyhow::Result<ExitCode> {
    let state = State::open_beside(dir)?;
    let found = state.read(name_move::load)?;
    if found.step == MoveStep::Left {
        report_left(found.left_behind);
        return Ok(ExitCode::Done);
    }
    if !State::relay_runs(dir) {
        bail!(
            "no relay runs on this Mac, so nothing can be settled: start it with `archety-relay run`, then use this \
             command again; if it cannot run any more, use `archety-relay move --take` on the other Mac"
        );
    }
    state.write_durably(|tx| name_move::ask_out(tx))?;
    let deadline = Instant::now() + wait;
    let mut shown = None;
    loop {
        let now = SystemClock.now();
        let (found, unsettled) = state.read(|connection| {
            Ok((
                name_move::load(connection)?,
                name_move::unsettled(connection, now)?,
            ))
        })?;
        match found.step {
            MoveStep::Left => {
                report_left(found.left_behind);
                return Ok(ExitCode::Done);
            }
            MoveStep::Leaving | MoveStep::Releasing => {}
            MoveStep::Here | MoveStep::Taking | MoveStep::TakingOver => {
                bail!("`archety-relay move --in` was used on this Mac meanwhile: it keeps the name")
            }
        }
        let progress = progress_text(&found, unsettled);
        if shown.as_ref() != Some(&progress) {
            eprintln!("{progress}");
            shown = Some(progress.clone());
        }
        if !State::relay_runs(dir) {
            bail!(
                "the relay on this Mac has stopped before it could give the name up; start it with `archety-relay \
                 run`: it goes on with the move"
            );
        }
        if Instant::now() >= deadline {
            bail!(
                "the name is not given up after {} s: {progress}{}. The relay passes no text on and gives the name up as \
                 soon as it can. Use this command again to wait, or `archety-relay move --in` to stay on this Mac",
                wait.as_secs(),
                trouble_text(&state)?
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn move_in(dir: &Path, step: MoveStep, wait: Duration) -> anyhow::Result<ExitCode> {
    let state = open_or_create(dir)?;
    state.write_durably(|tx| name_move::ask_in(tx, step))?;
    if !State::relay_runs(dir) {
        eprintln!("the relay takes the name when it starts: `archety-relay run`");
        return Ok(ExitCode::Done);
    }
    let deadline = Instant::now() + wait;
    loop {
        let found = state.read(name_move::load)?;
        match found.step {
            MoveStep::Here | MoveStep::Left if found.is_refused => bail!("{}", refusal_text(step)),
            MoveStep::Here => {
                eprintln!("this Mac has the name now; it relays and sends");
                return Ok(ExitCode::Done);
            }
            MoveStep::Left | MoveStep::Leaving | MoveStep::Releasing => {
                bail!("`archety-relay move --out` was used on this Mac meanwhile")
            }
            MoveStep::Taking | MoveStep::TakingOver => {}
        }
        if !State::relay_runs(dir) {
            bail!(
                "the relay on this Mac has stopped before it could take the name; it does so when it starts: \
                 `archety-relay run`"
            );
        }
        if Instant::now() >= deadline {
            bail!(
                "the backend has not given the name to this Mac after {} s{}. The relay goes on asking for it",
                wait.as_secs(),
                trouble_text(&state)?
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Opens the state beside a relay that runs. A Mac on which no relay has run yet gets a state.
fn open_or_create(dir: &Path) -> Result<State, StateError> {
    if !dir.join(STATE_FILE).exists() {
        match State::open(dir, SystemClock.now()) {
            // A relay has started meanwhile, and makes the state.
            Ok(_) | Err(StateError::InUse { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    State::open_beside(dir)
}

fn refusal_text(step: MoveStep) -> &'static str {
    match step {
        MoveStep::TakingOver => {
            "the backend's version cannot take the name from another Mac; update it, or stop the other Mac, wait two \
             minutes, and use `archety-relay move --in`"
        }
        _ => {
            "another Mac has the name: use `archety-relay move --out` there, then this command again; if that Mac is \
             dead or out of reach, use `archety-relay move --take` here"
        }
    }
}

fn report_left(left: LeftBehind) {
    eprintln!(
        "this Mac has given the name up; it relays and sends nothing. Use `archety-relay move --in` on the other Mac"
    );
    if left.unsent > 0 {
        eprintln!(
            "{} not sent; the other Mac lists them as unknown, and `archety-relay ledger resolve NUMBER --send` sends one \
             there",
            counted(left.unsent, "text was", "texts were")
        );
    }
    if left.unknown > 0 {
        eprintln!(
            "{} unknown: Messages got them, and no row proves that they were sent; `archety-relay ledger list` shows \
             them here",
            counted(left.unknown, "text is", "texts are")
        );
    }
}

fn progress_text(found: &NameMove, unsettled: Unsettled) -> String {
    let Unsettled { texts, acks, posts } = unsettled;
    if found.step == MoveStep::Releasing {
        return "everything is settled; the backend is asked to release the name".to_owned();
    }
    let parts: Vec<_> = [
        (texts, "text is with Messages", "texts are with Messages"),
        (
            acks,
            "report is not with the backend",
            "reports are not with the backend",
        ),
        (
            posts,
            "message is not with the backend",
            "messages are not with the backend",
        ),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, one, many)| counted(count, one, many))
    .collect();
    if parts.is_empty() {
        "everything is settled; waiting for the relay".to_owned()
    } else {
        format!("waiting: {}", parts.join(", "))
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What keeps the relay from the backend, as the end of a sentence.
fn trouble_text(state: &State) -> Result<String, StateError> {
    state.read(|connection| {
        let keys = [meta::PULL, meta::DELIVERY];
        for key in keys {
            let status: TroubleStatus = meta::json(connection, key)?.unwrap_or_default();
            if let Some(text) = status.text {
                return Ok(format!("; {text}"));
            }
        }
        Ok(String::new())
    })
}
