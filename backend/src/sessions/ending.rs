//! The end of sessions: the person ends them, on this device or another, or they expire.

use uuid::Uuid;

use super::{Session, Sessions};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::jobs::NewJob;
use crate::store::sessions::{EndedSession, Ending, SessionSummary};

/// How many expired sessions one transaction ends.
const EXPIRED_BATCH: i64 = 500;

impl Sessions {
    /// Ends this session, the person's other sessions, or all of them. Returns how many ended.
    pub async fn log_out(
        &self,
        session: &Session,
        which: Ending,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let ended = self.end(session.user_id, session.id, which, now).await?;
        let outcome = match which {
            Ending::This => "local",
            Ending::Others => "others",
            Ending::All => "global",
        };
        let event = Event::new(EventKind::LogOut, outcome);
        self.record_end(event, session, now).await;
        Ok(ended)
    }

    /// Ends a session of the person by its id. `false` if the person has no live session with this id.
    pub async fn end_one(
        &self,
        session: &Session,
        id: Uuid,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ended = self.end(session.user_id, id, Ending::This, now).await?;
        if ended > 0 {
            let event = Event::new(EventKind::SessionDelete, "ended");
            self.record_end(event, session, now).await;
        }
        Ok(ended > 0)
    }

    /// The person's live sessions, newest first.
    pub async fn list(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        self.store.sessions_of(session.user_id, now).await
    }

    /// Ends the expired sessions, and stores the jobs that end them at the provider. Returns how many ended.
    pub async fn end_expired(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut ended = 0;
        loop {
            let log_out_job = |expired: &EndedSession| self.log_out_job_of(expired, now);
            let count = self
                .store
                .end_expired_sessions(log_out_job, EXPIRED_BATCH, now)
                .await?;
            ended += count;
            if i64::try_from(count).unwrap_or(i64::MAX) < EXPIRED_BATCH {
                return Ok(ended);
            }
        }
    }

    /// Removes the person's sessions from the cache of this replica. Does not end them.
    pub fn evict_person(&self, user_id: Uuid) {
        self.cache.evict_person(user_id);
    }

    /// Ends the sessions that `which` and `session_id` choose, and stores the jobs that end them at the provider.
    pub(super) async fn end(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        which: Ending,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let log_out_job = |ended: &EndedSession| self.log_out_job_of(ended, now);
        let ended = self
            .store
            .end_sessions(user_id, session_id, which, log_out_job, now)
            .await?;
        for id in &ended {
            self.cache.evict_session(*id);
        }
        Ok(ended.len())
    }

    /// The job that ends the session at the identity provider, too. `None` if no provider has a session for it.
    pub(super) fn log_out_job_of(&self, ended: &EndedSession, now: Timestamp) -> Option<NewJob> {
        let sealed = ended.upstream_tokens.as_deref()?;
        Some(self.log_out_job(ended.id, sealed, now))
    }

    async fn record_end(&self, event: Event, session: &Session, now: Timestamp) {
        let event = event.by_person(session.user_id).in_session(session.id);
        audit::record(&self.store, event, now).await;
    }
}
