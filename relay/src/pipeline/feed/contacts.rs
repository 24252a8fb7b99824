//! Proofs of contact with the network, as they come in.

use super::{Feed, SECOND};
use crate::pipeline::PipelineError;
use crate::state::contact;

/// Contact is written down this often.
const NOTE_EVERY: i64 = 30 * SECOND;

impl Feed<'_> {
    /// Takes note of a proof of contact that came since the last step.
    pub(super) fn note_contact(&mut self) -> Result<(), PipelineError> {
        let Some(at) = self.context.health.take_contact() else {
            return Ok(());
        };
        if let Some(gap) = self.arrivals.contact(at) {
            self.context.state.write(|tx| contact::add_gap(tx, gap))?;
        }
        if at - self.noted_contact >= NOTE_EVERY || at < self.noted_contact {
            self.context.state.write(|tx| contact::set_last(tx, at))?;
            self.noted_contact = at;
        }
        Ok(())
    }

    /// The present as far as the network has proven it: a signed answer is refused under a clock that
    /// is more than five minutes off, so the last proof bounds what a wrong clock can do.
    pub(super) fn proven_now(&self) -> i64 {
        self.arrivals
            .last_contact()
            .map_or(i64::MIN / 2, |proven| proven.min(self.now()))
    }
}
