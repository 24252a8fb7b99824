//! One lock for each session, so that one request at a time asks the identity provider about a session.
//!
//! The locks hold within this process. A lease in the database holds between replicas.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// The locks that are in use, by session.
#[derive(Default)]
pub(super) struct SessionLocks(Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>);

impl SessionLocks {
    /// Locks the session until the guard is dropped.
    pub(super) async fn lock(&self, session_id: Uuid) -> OwnedMutexGuard<()> {
        self.lock_of(session_id).lock_owned().await
    }

    fn lock_of(&self, session_id: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&session_id).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(session_id, Arc::downgrade(&lock));
        lock
    }
}
