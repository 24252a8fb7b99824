//! Sessions seen to be alive less than a second ago.
//!
//! A person's page sends its requests in bursts, and each would look up the same row. What is
//! remembered here is trusted for less than a second, so that a session revoked on another replica is
//! shut out within one; on this replica at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::{Session, Transport};
use crate::clock::Timestamp;

/// With the time that a request takes it is less than the second that a revocation may take.
const TRUSTED_FOR: Duration = Duration::from_millis(800);
/// When it is full everything is forgotten: the next requests look up their rows.
const CAPACITY: usize = 20_000;

/// By the digest of what was shown.
#[derive(Default)]
pub(super) struct LiveSessions {
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    sessions: HashMap<[u8; 32], (Timestamp, Arc<Session>)>,
    /// Counts what was forgotten on purpose. A look-up that began before must not bring it back.
    epoch: u64,
}

impl LiveSessions {
    /// The session, if it was seen alive just now by a credential of this kind. A browser's cookie that
    /// is shown as an app's token has the same digest and opens nothing.
    pub(super) fn get(
        &self,
        shown: &[u8; 32],
        transport: Transport,
        now: Timestamp,
    ) -> Option<Arc<Session>> {
        let remembered = self.lock();
        let (at, session) = remembered.sessions.get(shown)?;
        // A clock that was set back makes everything look fresh; then nothing is.
        let is_fresh = *at <= now && now < at.plus(TRUSTED_FOR);
        (is_fresh && session.transport == transport.into_str()).then(|| Arc::clone(session))
    }

    /// To be taken before a look-up.
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Remembers what a look-up found, as of `now`, which was taken before it.
    pub(super) fn put(&self, shown: [u8; 32], session: &Arc<Session>, began: u64, now: Timestamp) {
        let mut remembered = self.lock();
        if remembered.epoch != began {
            return;
        }
        if remembered.sessions.len() >= CAPACITY {
            remembered.sessions.clear();
        }
        remembered
            .sessions
            .insert(shown, (now, Arc::clone(session)));
    }

    pub(super) fn forget(&self, session_id: Uuid) {
        self.retain(|session| session.id != session_id);
    }

    pub(super) fn forget_person(&self, user_id: Uuid) {
        self.retain(|session| session.user_id != user_id);
    }

    fn retain(&self, stays: impl Fn(&Session) -> bool) {
        let mut remembered = self.lock();
        remembered.epoch += 1;
        remembered.sessions.retain(|_, (_, session)| stays(session));
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
    const SHOWN: [u8; 32] = [7; 32];

    fn session(transport: Transport) -> Arc<Session> {
        Arc::new(Session {
            id: Uuid::from_u128(1),
            user_id: Uuid::from_u128(2),
            issuer: String::new(),
            subject: Uuid::from_u128(3),
            phone: String::new(),
            transport: transport.into_str().to_owned(),
            created_at: NOW,
            last_seen_at: NOW,
            idle_expires_at: NOW,
            expires_at: NOW,
            remember: false,
            step_up_at: None,
            step_up_is_test: false,
            access_hash: None,
            previous_access_hash: None,
            access_expires_at: None,
            newer_sign_in_at: None,
        })
    }

    #[test]
    fn a_look_up_that_began_before_an_end_does_not_bring_a_session_back() {
        let live = LiveSessions::default();
        let session = session(Transport::Bearer);
        let forget: [fn(&LiveSessions); 2] = [
            |live| live.forget(Uuid::from_u128(1)),
            |live| live.forget_person(Uuid::from_u128(2)),
        ];
        for forget in forget {
            let began = live.epoch();
            live.put(SHOWN, &session, began, NOW);
            assert!(live.get(&SHOWN, Transport::Bearer, NOW).is_some());
            let began = live.epoch();
            forget(&live);
            assert!(live.get(&SHOWN, Transport::Bearer, NOW).is_none());
            live.put(SHOWN, &session, began, NOW);
            assert!(live.get(&SHOWN, Transport::Bearer, NOW).is_none());
        }
    }

    #[test]
    fn it_is_trusted_for_less_than_a_second_and_in_its_own_place() {
        let live = LiveSessions::default();
        live.put(SHOWN, &session(Transport::Cookie), live.epoch(), NOW);
        let at = |transport, now| live.get(&SHOWN, transport, now).is_some();
        assert!(at(Transport::Cookie, NOW));
        assert!(!at(Transport::Bearer, NOW));
        assert!(!at(Transport::Cookie, NOW.minus(Duration::from_micros(1))));
        assert!(at(Transport::Cookie, NOW.plus(Duration::from_millis(799))));
        assert!(!at(Transport::Cookie, NOW.plus(TRUSTED_FOR)));
    }
}
