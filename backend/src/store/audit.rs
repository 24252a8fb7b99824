//! Events of sign-in and sessions: the ids of the person and the session, the kind and the outcome. An event has no
//! phone number and no network address.

use uuid::Uuid;

use super::execute::{Execute, Params};
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    RECORD_EVENT {
        both: "insert into auth_events
                 (id, occurred_at, kind, outcome, user_id, session_id, request_id)
               values ($1, $2, $3, $4, $5, $6, $7)",
    }
    /// The number of events of this kind and outcome, up to $5.
    COUNT_EVENTS_OF_SESSION {
        both: "select count(*) from (
                 select 1 as one from auth_events
                 where user_id = $1 and session_id = $2 and kind = $3 and outcome = $4 limit $5) as found",
    }
    EVENTS_OF_USER {
        both: "select id, occurred_at, kind, outcome, session_id from auth_events
               where user_id = $1 order by occurred_at desc, id desc limit $2",
    }
}

/// An event that is to be recorded.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub id: Uuid,
    pub kind: &'static str,
    pub outcome: &'static str,
    /// The person, if known.
    pub user_id: Option<Uuid>,
    pub session_id: Option<Uuid>,
    pub request_id: Option<String>,
}

impl NewEvent {
    /// The parameters of [`RECORD_EVENT`].
    pub(in crate::store) fn params(&self, now: Timestamp) -> impl Params<'_> {
        (
            self.id,
            now,
            self.kind,
            self.outcome,
            self.user_id,
            self.session_id,
            self.request_id.as_deref(),
        )
    }
}

/// A recorded event.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EventRow {
    pub id: Uuid,
    pub occurred_at: Timestamp,
    pub kind: String,
    pub outcome: String,
    pub session_id: Option<Uuid>,
}

impl Store {
    /// The maximum number of events of one kind and outcome for one session, so that a signed-in person cannot fill
    /// the database. Simultaneous requests may record a few more.
    pub const MAX_EVENTS_OF_SESSION: i64 = 20;

    /// Records an event, unless its session has [`Self::MAX_EVENTS_OF_SESSION`] events of this kind and outcome
    /// already.
    pub async fn record_event(&self, event: &NewEvent, now: Timestamp) -> Result<(), StoreError> {
        if let (Some(user_id), Some(session_id)) = (event.user_id, event.session_id) {
            let max = Self::MAX_EVENTS_OF_SESSION;
            let params = (user_id, session_id, event.kind, event.outcome, max);
            let recorded: i64 = self
                .pools
                .reads()
                .value(COUNT_EVENTS_OF_SESSION, params)
                .await?;
            if recorded >= max {
                return Ok(());
            }
        }
        let params = event.params(now);
        self.pools.writes().execute(RECORD_EVENT, params).await?;
        Ok(())
    }

    /// The newest `limit` events of a person, newest first.
    pub async fn events_of(&self, user_id: Uuid, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        self.pools
            .reads()
            .all(EVENTS_OF_USER, (user_id, limit))
            .await
    }
}
