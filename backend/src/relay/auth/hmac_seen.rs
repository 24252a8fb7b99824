//! Which named relays are already noted in the store as signing.
//!
//! Only a memory of writes already made: forgetting it costs one harmless write per relay.

use std::sync::atomic::{AtomicBool, Ordering};

use shared_protocol::{RelayName, RelaySecrets};

pub(super) struct HmacSeen(Vec<(RelayName, AtomicBool)>);

impl HmacSeen {
    pub(super) fn new(secrets: &RelaySecrets) -> Self {
        let named = secrets.iter().filter(|secret| secret.is_named());
        Self(
            named
                .map(|secret| (secret.relay().clone(), AtomicBool::new(false)))
                .collect(),
        )
    }

    pub(super) fn is_noted(&self, relay: &RelayName) -> bool {
        self.entries(relay)
            .any(|noted| noted.load(Ordering::Relaxed))
    }

    pub(super) fn note(&self, relay: &RelayName) {
        for noted in self.entries(relay) {
            noted.store(true, Ordering::Relaxed);
        }
    }

    /// Its bearer was let in again by the operator: the next signature has to be noted anew.
    pub(super) fn forget(&self, relay: &RelayName) {
        for noted in self.entries(relay) {
            noted.store(false, Ordering::Relaxed);
        }
    }

    fn entries<'a>(&'a self, relay: &'a RelayName) -> impl Iterator<Item = &'a AtomicBool> {
        self.0
            .iter()
            .filter(move |(name, _)| name == relay)
            .map(|(_, noted)| noted)
    }
}
