//! Sessions end: by their owner, from here or from another device.

use uuid::Uuid;

use super::{Session, Sessions};
use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::jobs;
use crate::store::sessions::{Ended, Ending, SessionSummary};
use crate::store::{NewEvent, StoreError};

impl Sessions {
    /// Ends sessions of the person in `session`. Tells how many.
    pub async fn log_out(
        &self,
        session: &Session,
        which: Ending,
        request_id: &str,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let ended = self.end_all_of(session, which, now).await?;
        let kind = match which {
            Ending::This => "log_out_local",
            Ending::Others => "log_out_others",
            Ending::All => "log_out_global",
        };
        self.record_end(session, kind, request_id, now).await?;
        Ok(ended)
    }

    /// Ends one session of the person in `session`, by id. `false` if they have none of that id.
    pub async fn end_one(
        &self,
        session: &Session,
        id: Uuid,
        request_id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let ended = self.end(session.user_id, id, Ending::This, now).await?;
        if ended > 0 {
            self.record_end(session, "session_deleted", request_id, now)
                .await?;
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

    /// Forgets what this process remembers of a person who is gone.
    pub fn forget_person(&self, user_id: Uuid) {
        self.live.forget_person(user_id);
    }

    pub(super) async fn end_all_of(
        &self,
        session: &Session,
        which: Ending,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        self.end(session.user_id, session.id, which, now).await
    }

    async fn end(
        &self,
        user_id: Uuid,
        session_id: Uuid,
        which: Ending,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let log_out = |ended: &Ended| {
            let sealed = ended.upstream_tokens.as_deref()?;
            Some(jobs::log_out(&self.keyring, ended.id, sealed, now))
        };
        let ended = self
            .store
            .end_sessions(user_id, session_id, which, log_out, now)
            .await?;
        for id in &ended {
            self.live.forget(*id);
        }
        Ok(ended.len())
    }

    async fn record_end(
        &self,
        session: &Session,
        kind: &'static str,
        request_id: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let event = NewEvent {
            id: row_id(now),
            kind,
            outcome: "ended",
            user_id: Some(session.user_id),
            session_id: Some(session.id),
            request_id: Some(request_id.to_owned()),
        };
        self.store.record_event(&event, now).await
    }
}
