//! When it is time to note by which proof a relay was seen, for the operator's list.
//!
//! Once a minute for each relay and proof, so that requests cost no write for it. Only a memory of writes
//! already made: forgetting it costs one more.

use std::sync::atomic::{AtomicI64, Ordering};

use shared_protocol::{RelayName, RelaySecrets};

use crate::clock::Timestamp;
use crate::store::ProofKind;

const EVERY_SECS: i64 = 60;

pub(super) struct ProofNotes(Vec<(RelayName, Marks)>);

/// Unix seconds of the last notes.
#[derive(Default)]
struct Marks {
    signature: AtomicI64,
    bearer: AtomicI64,
}

impl ProofNotes {
    pub(super) fn new(secrets: &RelaySecrets) -> Self {
        let mut relays: Vec<_> = secrets
            .iter()
            .map(|secret| secret.relay().clone())
            .collect();
        relays.sort_unstable();
        relays.dedup();
        Self(
            relays
                .into_iter()
                .map(|relay| (relay, Marks::default()))
                .collect(),
        )
    }

    /// Whether the caller is the one that has to note it now.
    pub(super) fn is_due(&self, relay: &RelayName, proof: ProofKind, now: Timestamp) -> bool {
        let marks = self.0.iter().find(|(name, _)| name == relay);
        marks.is_some_and(|(_, marks)| {
            let mark = match proof {
                ProofKind::Signature => &marks.signature,
                ProofKind::Bearer => &marks.bearer,
            };
            let (last, now) = (mark.load(Ordering::Relaxed), now.as_secs());
            // Of several requests at once only the one that moves the mark writes.
            now.saturating_sub(last) >= EVERY_SECS
                && mark
                    .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_proof_of_each_relay_is_noted_once_a_minute() {
        let secrets = "a-secret-of-the-default-relay,mini:another-secret,mini:its-old-secret";
        let notes = ProofNotes::new(&RelaySecrets::parse(secrets).expect("secrets"));
        let mini = RelayName::parse("mini").expect("a name");
        let due = |relay: &RelayName, proof, secs: i64| {
            notes.is_due(relay, proof, Timestamp::from_secs(1_790_000_000 + secs))
        };
        assert!(due(&mini, ProofKind::Signature, 0));
        assert!(!due(&mini, ProofKind::Signature, 59));
        assert!(due(&mini, ProofKind::Bearer, 59));
        assert!(due(&RelayName::default(), ProofKind::Signature, 59));
        assert!(due(&mini, ProofKind::Signature, 60));
        assert!(!due(&mini.rehearsal(), ProofKind::Signature, 60));
    }
}
