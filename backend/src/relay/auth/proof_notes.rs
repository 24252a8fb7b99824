//! When it is time to note by which proof a relay was seen, for the operator's list.
//!
//! Once a minute for each relay and proof, so that requests cost no write for it. Only a memory of writes
//! already made: forgetting it costs one more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use shared_protocol::RelayName;

use crate::clock::Timestamp;
use crate::store::ProofKind;

const EVERY_SECS: i64 = 60;
/// Relays that share a secret name themselves, so their number has no other bound.
const MAX_RELAYS: usize = 1_000;

/// Unix seconds of the last notes.
#[derive(Default)]
pub(super) struct ProofNotes(Mutex<HashMap<(RelayName, ProofKind), i64>>);

impl ProofNotes {
    /// Whether the caller is the one that has to note it now.
    pub(super) fn is_due(&self, relay: &RelayName, proof: ProofKind, now: Timestamp) -> bool {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_secs();
        let key = (relay.clone(), proof);
        match notes.get(&key) {
            Some(last) if now.saturating_sub(*last) < EVERY_SECS => false,
            _ => {
                if notes.len() >= MAX_RELAYS {
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
        let due = |relay: &RelayName, proof, secs: i64| {
            notes.is_due(relay, proof, Timestamp::from_secs(1_790_000_000 + secs))
        };
        assert!(due(&mini, ProofKind::Signature, 0));
        assert!(!due(&mini, ProofKind::Signature, 59));
        assert!(due(&mini, ProofKind::Bearer, 59));
        assert!(due(&RelayName::default(), ProofKind::Signature, 59));
        assert!(due(&mini, ProofKind::Signature, 60));
    }

    #[test]
    fn many_relays_are_forgotten_together() {
        let notes = ProofNotes::default();
        let now = Timestamp::from_secs(1_790_000_000);
        for i in 0..=MAX_RELAYS {
            let relay = RelayName::edge(&format!("agent-{i}")).expect("a name");
            assert!(notes.is_due(&relay, ProofKind::Bearer, now));
        }
        let first = RelayName::edge("agent-0").expect("a name");
        assert!(notes.is_due(&first, ProofKind::Bearer, now));
    }
}
