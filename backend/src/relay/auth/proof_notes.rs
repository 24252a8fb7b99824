//! Limits how often the store notes the proof that a relay used. The operator's list of relays shows these notes.
//!
//! Each kind of proof of a relay is noted at most once a minute, so that most requests cost no write. The times in
//! memory may be lost: that costs one more write.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use shared_protocol::RelayName;

use crate::clock::Timestamp;
use crate::store::ProofKind;

const INTERVAL_SECS: i64 = 60;
/// When the map is full, it is emptied. Relays that share a secret choose their names, so their number is not limited.
const MAX_ENTRIES: usize = 1_000;

/// When each relay and proof was last noted, in Unix seconds.
#[derive(Default)]
pub(super) struct ProofNotes(Mutex<HashMap<(RelayName, ProofKind), i64>>);

impl ProofNotes {
    /// Whether this call has to write the note. If so, the note counts as written from now on.
    pub(super) fn take_turn(&self, relay: &RelayName, proof: ProofKind, now: Timestamp) -> bool {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_secs();
        let key = (relay.clone(), proof);
        match notes.get(&key) {
            Some(last) if now.saturating_sub(*last) < INTERVAL_SECS => false,
            _ => {
                if notes.len() >= MAX_ENTRIES {
                    notes.clear();
                }
                notes.insert(key, now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_proof_of_each_relay_is_noted_once_a_minute() {
        let notes = ProofNotes::default();
        let mini = RelayName::parse("mini").expect("a name");
        let take_turn = |relay: &RelayName, proof, secs: i64| {
            notes.take_turn(relay, proof, Timestamp::from_secs(1_790_000_000 + secs))
        };
        assert!(take_turn(&mini, ProofKind::Signature, 0));
        assert!(!take_turn(&mini, ProofKind::Signature, 59));
        assert!(take_turn(&mini, ProofKind::Bearer, 59));
        assert!(take_turn(&RelayName::default(), ProofKind::Signature, 59));
        assert!(take_turn(&mini, ProofKind::Signature, 60));
    }

    #[test]
    fn the_number_of_remembered_relays_is_limited() {
        let notes = ProofNotes::default();
        let now = Timestamp::from_secs(1_790_000_000);
        for i in 0..=MAX_ENTRIES {
            let relay = RelayName::edge(&format!("agent-{i}")).expect("a name");
            assert!(notes.take_turn(&relay, ProofKind::Bearer, now));
        }
        let first = RelayName::edge("agent-0").expect("a name");
        assert!(notes.take_turn(&first, ProofKind::Bearer, now));
    }
}
