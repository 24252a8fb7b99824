//! What a move to another Mac, or back, lets the puller do.

use std::sync::Arc;
use std::time::Duration;

use crash_point::crash_point;
use shared_protocol::{LeaseChange, MAX_PULL_WAIT_SECS};

use super::{PollOutcome, Puller};
use crate::backend::Trouble;
use crate::backend::availability::BackendState;
use crate::state::ledger::name_move::{self, MoveStep};
use crate::state::{State, StateError};

/// How often the owner's command is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the backend may hold a poll while the relay waits for what is not settled, in seconds.
const LEAVING_WAIT_SECS: u8 = 1;

/// Waits until the owner's command has changed the step of the move.
pub(super) async fn wait_for_step(state: &Arc<State>, known: MoveStep) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if state
            .read(name_move::load)
            .is_ok_and(|found| found.step != known)
        {
            return;
        }
    }
}

/// How long the backend may hold a poll of this step, in seconds.
pub(super) const fn longest_wait(step: MoveStep) -> u8 {
    match step {
        MoveStep::Here => MAX_PULL_WAIT_SECS,
        MoveStep::Leaving => LEAVING_WAIT_SECS,
        MoveStep::Releasing | MoveStep::Left | MoveStep::Taking | MoveStep::TakingOver => 0,
    }
}

/// Whether a poll of this step gets commands. What a relay that leaves has not taken is fresh for the next Mac.
pub(super) const fn takes_commands(step: MoveStep) -> bool {
    matches!(
        step,
        MoveStep::Here | MoveStep::Taking | MoveStep::TakingOver
    )
}

/// The change of the lease that a poll of this step asks for.
pub(super) const fn lease_change(step: MoveStep) -> Option<LeaseChange> {
    match step {
        MoveStep::Here | MoveStep::Leaving | MoveStep::Left => None,
        MoveStep::Releasing => Some(LeaseChange::Release),
        MoveStep::Taking => Some(LeaseChange::Take),
        MoveStep::TakingOver => Some(LeaseChange::TakeOver),
    }
}

impl Puller {
    /// Reads the step of the move, and begins the release once everything is settled. `Some` if there is no poll.
    pub(super) fn go_on_moving(&mut self) -> Option<PollOutcome> {
        match self.read_step() {
            Ok(step) => self.move_step = step,
            Err(error) => {
                tracing::warn!(%error, "the state cannot be read or written");
                return Some(PollOutcome::Pause(self.back_off(None)));
            }
        }
        if !takes_commands(self.move_step) {
            self.context.dispatch.lease.send_replace(None);
        }
        (self.move_step == MoveStep::Left).then(|| self.stay_away())
    }

    fn read_step(&self) -> Result<MoveStep, StateError> {
        let state = &self.context.state;
        let now = self.context.clock.now();
        let (step, is_settled) = state.read(|connection| {
            let step = name_move::load(connection)?.step;
            let is_settled =
                step == MoveStep::Leaving && name_move::unsettled(connection, now)?.is_nothing();
            Ok((step, is_settled))
        })?;
        if !is_settled {
            return Ok(step);
        }
        crash_point("before_release");
        let began = state.write_durably(|tx| name_move::begin_release(tx, now))?;
        crash_point("release_begun");
        Ok(if began { MoveStep::Releasing } else { step })
    }

    /// Keeps the sender from posting: another Mac may have the name.
    fn stay_away(&mut self) -> PollOutcome {
        self.publish(BackendState::LeasedElsewhere, None);
        let now = self.context.clock.now();
        let changed = self.reporter.failed(&Trouble::MovedAway, now);
        self.write_status(changed);
        // The next step interrupts this pause.
        PollOutcome::Pause(Duration::from_mins(1))
    }

    /// An answer gives this installation the name, or has taken it from it. `Some` if the name is given up now.
    pub(super) fn note_lease_answer(&mut self, done: Option<LeaseChange>) -> Option<PollOutcome> {
        let asked = self.move_step;
        let written = match asked {
            MoveStep::Here | MoveStep::Leaving | MoveStep::Left => return None,
            MoveStep::Releasing => {
                if done.is_none() {
                    tracing::warn!(
                        "the backend's version cannot release the name; it does so 90 seconds after this pull"
                    );
                }
                crash_point("released");
                let written = self
                    .context
                    .state
                    .write_durably(|tx| name_move::note_left(tx));
                crash_point("left");
                written
            }
            MoveStep::Taking | MoveStep::TakingOver => {
                crash_point("name_taken");
                let written = self
                    .context
                    .state
                    .write_durably(|tx| name_move::note_taken(tx, asked));
                crash_point("taken_noted");
                written
            }
        };
        if let Err(error) = written {
            // The next poll asks again.
            tracing::warn!(%error, "the step of the move cannot be written");
            return Some(PollOutcome::Pause(self.back_off(None)));
        }
        if asked == MoveStep::Releasing {
            tracing::info!("this Mac has given the relay's name up");
            self.move_step = MoveStep::Left;
            return Some(self.stay_away());
        }
        tracing::info!("this Mac has the relay's name now");
        self.move_step = MoveStep::Here;
        None
    }

    /// Another installation has the name.
    pub(super) fn note_elsewhere(&mut self) {
        let asked = self.move_step;
        let write = |tx: &rusqlite::Transaction<'_>| name_move::note_elsewhere(tx, asked);
        if let Err(error) = self.context.state.write_durably(write) {
            tracing::warn!(%error, "that another installation has the name cannot be written");
        }
    }
}
