//! Sessions seen to be alive less than a second ago.
//!
//! A person's page sends its requests in bursts, and each would look up the same row. What is
//! remembered here is trusted for less than a second, so that a session revoked on another replica is
//! shut out within one; on this replica at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::Session;
use crate::clock::Timestamp;

/// Less than the second that a revocation may take, by the time that a request takes.
const TRUSTED_FOR: Duration = Duration::from_millis(800);
/// Beyond it everything is forgotten: the next requests look up their rows.
const CAPACITY: usize = 20_000;

/// By the digest of what was shown.
#[derive(Default)]
pub(super) struct LiveSessions {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    sessions: HashMap<[u8; 32], (Timestamp, Arc<Session>)>,
    /// Counts what was forgotten on purpose. A look-up that began before must not bring it back.
    epoch: u64,
}

/// When a look-up began.
#[derive(Clone, Copy)]
pub(super) struct Epoch(u64);

impl LiveSessions {
    /// The session, if it was seen alive just now.
    pub(super) fn get(&self, shown: &[u8; 32], now: Timestamp) -> Option<Arc<Session>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, session) = seen.sessions.get(shown)?;
        // A clock that was set back makes everything look fresh; then nothing is.
        (*at <= now && now < at.plus(TRUSTED_FOR)).then(|| Arc::clone(session))
    }

    /// To be taken before a look-up.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(
            self.seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .epoch,
        )
    }

    /// Remembers what a look-up found, as of `now`, which was taken before it.
    pub(super) fn put(
        &self,
        shown: [u8; 32],
        session: &Arc<Session>,
        began: Epoch,
        now: Timestamp,
    ) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.epoch != began.0 {
            return;
        }
        if seen.sessions.len() >= CAPACITY {
            seen.sessions.clear();
        }
        seen.sessions.insert(shown, (now, Arc::clone(session)));
    }

    /// Forgets a session under whatever it was shown by.
    pub(super) fn forget(&self, session_id: Uuid) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.epoch += 1;
        seen.sessions
            .retain(|_, (_, session)| session.id != session_id);
    }

    /// Forgets everything of a person.
    pub(super) fn forget_person(&self, user_id: Uuid) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.epoch += 1;
        seen.sessions
            .retain(|_, (_, session)| session.user_id != user_id);
    }
}
