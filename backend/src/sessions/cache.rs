//! A cache of live sessions. An entry is used for less than a second.
//!
//! A page sends its requests in bursts, and without the cache each request would read the same row. A session
//! that ends on this replica leaves the cache at once. A session that ends on another replica is refused here
//! within a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::{Session, Transport};
use crate::clock::Timestamp;

/// So short that an entry's age and the duration of a request are less than a second together.
const ENTRY_TTL: Duration = Duration::from_millis(800);
/// A full cache is emptied; the next requests read their rows.
const CAPACITY: usize = 20_000;

#[derive(Default)]
pub(super) struct SessionCache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// The sessions by the digest of their credential, each with the time of its look-up.
    sessions: HashMap<[u8; 32], (Timestamp, Arc<Session>)>,
    /// The number of evictions. The result of a look-up that began before an eviction is not stored.
    epoch: u64,
}

impl SessionCache {
    /// The session of the credential with this digest. `None` if the cache has no fresh entry, or if a cookie is
    /// sent as an access token, or the other way round.
    pub(super) fn get(
        &self,
        digest: &[u8; 32],
        transport: Transport,
        now: Timestamp,
    ) -> Option<Arc<Session>> {
        let entries = self.lock();
        let (at, session) = entries.sessions.get(digest)?;
        // `at` is in the future if the clock was set back. Such an entry is not used.
        let is_fresh = *at <= now && now < at.plus(ENTRY_TTL);
        (is_fresh && session.transport == transport.into_str()).then(|| Arc::clone(session))
    }

    /// The number of evictions so far. The caller reads it before a look-up and passes it to [`Self::put`].
    pub(super) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Stores the result of a look-up. `epoch` and `now` were read before the look-up.
    pub(super) fn put(&self, digest: [u8; 32], session: &Arc<Session>, epoch: u64, now: Timestamp) {
        let mut entries = self.lock();
        if entries.epoch != epoch {
            return;
        }
        if entries.sessions.len() >= CAPACITY {
            entries.sessions.clear();
        }
        entries.sessions.insert(digest, (now, Arc::clone(session)));
    }

    pub(super) fn evict_session(&self, session_id: Uuid) {
        self.retain(|session| session.id != session_id);
    }

    pub(super) fn evict_person(&self, user_id: Uuid) {
        self.retain(|session| session.user_id != user_id);
    }

    fn retain(&self, is_kept: impl Fn(&Session) -> bool) {
        let mut entries = self.lock();
        entries.epoch += 1;
        entries.sessions.retain(|_, (_, session)| is_kept(session));
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
    const DIGEST: [u8; 32] = [7; 32];

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
    fn a_look_up_that_began_before_an_eviction_is_not_stored() {
        let cache = SessionCache::default();
        let session = session(Transport::Bearer);
        let evictions: [fn(&SessionCache); 2] = [
            |cache| cache.evict_session(Uuid::from_u128(1)),
            |cache| cache.evict_person(Uuid::from_u128(2)),
        ];
        for evict in evictions {
            let epoch = cache.epoch();
            cache.put(DIGEST, &session, epoch, NOW);
            assert!(cache.get(&DIGEST, Transport::Bearer, NOW).is_some());
            let epoch = cache.epoch();
            evict(&cache);
            assert!(cache.get(&DIGEST, Transport::Bearer, NOW).is_none());
            cache.put(DIGEST, &session, epoch, NOW);
            assert!(cache.get(&DIGEST, Transport::Bearer, NOW).is_none());
        }
    }

    #[test]
    fn an_entry_is_used_for_less_than_a_second_and_only_for_its_transport() {
        let cache = SessionCache::default();
        cache.put(DIGEST, &session(Transport::Cookie), cache.epoch(), NOW);
        let is_used = |transport, now| cache.get(&DIGEST, transport, now).is_some();
        assert!(is_used(Transport::Cookie, NOW));
        assert!(!is_used(Transport::Bearer, NOW));
        assert!(!is_used(
            Transport::Cookie,
            NOW.minus(Duration::from_micros(1))
        ));
        assert!(is_used(
            Transport::Cookie,
            NOW.plus(Duration::from_millis(799))
        ));
        assert!(!is_used(Transport::Cookie, NOW.plus(ENTRY_TTL)));
    }
}
