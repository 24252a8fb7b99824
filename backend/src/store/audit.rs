//! The record of what happened at the door: who by id, what, how it ended. No number, no address.

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
    /// How many rows there are like one that is to be written, up to $5.
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

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Id of the row.
    pub id: Uuid,
    /// What happened.
    pub kind: &'static str,
    /// How it ended.
    pub outcome: &'static str,
    /// To whom, if that is known.
    pub user_id: Option<Uuid>,
    /// In which session.
    pub session_id: Option<Uuid>,
    /// The request that it happened in.
    pub request_id: Option<String>,
}

impl NewEvent {
    /// Those of [`RECORD_EVENT`].
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

/// One recorded thing.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EventRow {
    /// Id of the row.
    pub id: Uuid,
    /// When.
    pub occurred_at: Timestamp,
    /// What happened.
    pub kind: String,
    /// How it ended.
    pub outcome: String,
    /// In which session.
    pub session_id: Option<Uuid>,
}

impl Store {
    /// Most events of one kind and outcome that one session leaves: a signed-in person must not fill the
    /// store. Requests that arrive together may leave a few more.
    pub const EVENTS_OF_SESSION: i64 = 20;

    /// Records what happened, unless the session has its most of it.
    pub async fn record_event(&self, event: &NewEvent, now: Timestamp) -> Result<(), StoreError> {
        if let (Some(user_id), Some(session_id)) = (event.user_id, event.session_id) {
            let most = Self::EVENTS_OF_SESSION;
            let params = (user_id, session_id, event.kind, event.outcome, most);
            let like_it: i64 = self
                .pools
                .reads()
                .value(COUNT_EVENTS_OF_SESSION, params)
                .await?;
            if like_it >= most {
                return Ok(());
            }
        }
        let params = event.params(now);
        self.pools.writes().execute(RECORD_EVENT, params).await?;
        Ok(())
    }

    /// What happened to a person, newest first, at most `limit`.
    pub async fn events_of(&self, user_id: Uuid, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        self.pools
            .reads()
            .all(EVENTS_OF_USER, (user_id, limit))
            .await
    }
}
