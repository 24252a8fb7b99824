//! The acks that polls carry: which ones the last poll had, and whether the backend refuses them.

use crash_point::crash_point;
use shared_protocol::{Ack, MAX_ACKS};

use crate::state::ledger::acks;
use crate::state::{State, StateError};

/// The acks of the polls of this run.
#[derive(Default)]
pub(super) struct CarriedAcks {
    /// The numbers of the acks that the last poll has.
    numbers: Vec<i64>,
    /// The version of the backend that refused a poll with acks. Polls have no acks until the version changes, so
    /// that one ack that the backend cannot read does not end the heartbeat and the lease.
    refused_by: Option<String>,
    /// Whether the last answer was that of a backend that does not read acks. Polls have none until another answer
    /// shows that they are read.
    are_unread: bool,
}

impl CarriedAcks {
    /// The acks of the next poll.
    pub(super) fn gather(&mut self, state: &State) -> Result<Vec<Ack>, StateError> {
        self.numbers.clear();
        if self.refused_by.is_some() || self.are_unread {
            return Ok(Vec::new());
        }
        let pending = state.read(|connection| acks::pending(connection, MAX_ACKS))?;
        self.numbers
            .extend(pending.iter().map(|pending| pending.number));
        Ok(pending.into_iter().map(|pending| pending.ack).collect())
    }

    /// Records that a signed answer of a backend of this version has taken the acks of the last poll; returns whether
    /// it had any. If that cannot be written, they are sent again.
    pub(super) fn mark_taken(&mut self, state: &State, version: &str) -> bool {
        if self
            .refused_by
            .as_ref()
            .is_some_and(|refused_by| refused_by != version)
        {
            self.refused_by = None;
        }
        self.are_unread = false;
        if self.numbers.is_empty() {
            return false;
        }
        crash_point("acks_answered");
        let written = state.write(|tx| acks::mark_taken(tx, &self.numbers));
        crash_point("acks_taken");
        self.numbers.clear();
        match written {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(%error, "that acks were taken could not be written down");
                false
            }
        }
    }

    /// Records that a backend of this version does not read acks. Those of the last poll were not taken.
    pub(super) fn note_unread(&mut self, version: &str) {
        self.are_unread = true;
        let acks = self.numbers.len();
        if acks > 0 {
            tracing::warn!(acks, version, "the backend does not read acks; they wait");
            self.numbers.clear();
        }
    }

    /// Records that a backend of this version has refused the last poll for good; returns whether acks may be the
    /// reason.
    pub(super) fn refuse(&mut self, version: Option<&str>) -> bool {
        if self.numbers.is_empty() {
            return false;
        }
        let acks = self.numbers.len();
        tracing::error!(
            acks,
            version,
            "the backend refuses a pull with acks; they wait for another version"
        );
        self.refused_by = Some(version.unwrap_or_default().to_owned());
        true
    }
}
