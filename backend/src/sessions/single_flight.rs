//! One request of this process at a time asks the identity provider about a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// The lock of each session.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>);

impl Flights {
    /// Waits until no other request asks about this session; the others wait until the turn is dropped.
    pub(super) async fn turn(&self, session_id: Uuid) -> OwnedMutexGuard<()> {
        self.of(session_id).lock_owned().await
    }

    fn of(&self, session_id: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&session_id).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::default();
        flights.insert(session_id, Arc::downgrade(&flight));
        flight
    }
}
