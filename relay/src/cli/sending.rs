//! `pause` and `resume`: stop and continue the sending of texts.

use super::flags::ConfigFlags;
use crate::clock::{Clock, SystemClock};
use crate::lifecycle::ExitCode;
use crate::state::State;
use crate::state::ledger::{counts, pauses};

/// Stop sending texts, until `resume`; messages are still relayed.
///
/// The text that is being passed to Messages at this moment is still sent. Texts that wait too long expire: a reply
/// within six hours.
#[derive(Debug, clap::Args)]
pub(super) struct Pause {}

/// Send texts again after `pause`, or after a line or all sending was stopped because of failures.
#[derive(Debug, clap::Args)]
pub(super) struct Resume {}

impl Pause {
    pub(super) fn execute(flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let state = State::open_beside(&flags.config()?.state_dir)?;
        let now = SystemClock.now();
        state.write_durably(|tx| pauses::pause_by_owner(tx, now))?;
        let waiting = state.read(counts::sending_status)?.queued;
        eprintln!("sending is paused; {waiting} texts wait");
        Ok(ExitCode::Done)
    }
}

impl Resume {
    pub(super) fn execute(flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let state = State::open_beside(&flags.config()?.state_dir)?;
        let now = SystemClock.now();
        state.write_durably(|tx| pauses::resume_by_owner(tx, now))?;
        let waiting = state.read(counts::sending_status)?.queued;
        eprintln!("texts are sent; {waiting} wait");
        Ok(ExitCode::Done)
    }
}
