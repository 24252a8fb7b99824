//! Sessions: which person is signed in on which device, until when, and with which tokens.
//!
//! The row of an ended session stays for a while for the operator, so every query has the condition that the session
//! has not ended. `opening` opens a session, `tokens` rotates our refresh token, `upstream` stores the identity
//! provider's tokens, `ending` ends sessions.

pub(in crate::store) mod ending;
pub(in crate::store) mod opening;
pub(in crate::store) mod tokens;
pub(in crate::store) mod upstream;

use std::fmt;

use uuid::Uuid;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

pub use ending::{EndedSession, Ending};
pub use opening::{ConfirmedCode, NewSession};
pub use tokens::{NextToken, TokenRow};
pub use upstream::{NewUpstream, UpstreamRow};

/// A live session and the person in it.
macro_rules! live_session_where {
    ($which:literal) => {
        concat!(
            "select s.id, s.user_id, s.issuer, a.subject, u.phone, s.transport, s.created_at,
               s.last_seen_at, s.idle_expires_at, s.expires_at, s.remember, s.step_up_at,
               s.step_up_is_test, s.access_hash, s.previous_access_hash, s.access_expires_at,
               (select max(o.created_at) from sessions o
                where o.user_id = s.user_id and o.created_at > s.created_at and o.id <> s.id
               ) as newer_sign_in_at
             from sessions s
             join users u on u.id = s.user_id
             join accounts a on a.user_id = s.user_id and a.issuer = s.issuer
             where s.ended_at is null and s.idle_expires_at > $2 and s.expires_at > $2
               and u.archived_at is null and ",
            $which
        )
    };
}

statements! {
    FIND_SESSION { both: live_session_where!("s.id = $1") }
    FIND_SESSION_BY_UPSTREAM { both: live_session_where!("s.upstream_session_id = $1") }
    /// Keeps a later time, so that of two simultaneous requests none shortens the session.
    TOUCH_SESSION {
        both: "update sessions set last_seen_at = $2, idle_expires_at = $3
               where id = $1 and ended_at is null and last_seen_at < $2",
    }
    MARK_STEP_UP {
        both: "update sessions set step_up_at = $3, step_up_is_test = $4
               where user_id = $1 and id = $2 and ended_at is null",
    }
    LIVE_SESSIONS_OF {
        both: "select id, transport, device, created_at, last_seen_at,
                 case when idle_expires_at < expires_at then idle_expires_at else expires_at end
                   as expires_at
               from sessions
               where user_id = $1 and ended_at is null and idle_expires_at > $2 and expires_at > $2
               order by created_at desc, id desc",
    }
}

/// A live session and its person.
#[derive(Clone, sqlx::FromRow)]
pub struct SessionRow {
    pub id: Uuid,
    pub user_id: Uuid,
    pub issuer: String,
    /// The person's id at the issuer.
    pub subject: Uuid,
    pub phone: String,
    /// `cookie` or `bearer`.
    pub transport: String,
    pub created_at: Timestamp,
    /// The time of the last request, to within some minutes.
    pub last_seen_at: Timestamp,
    /// When the session ends unless it is used.
    pub idle_expires_at: Timestamp,
    /// When the session ends even if it is used.
    pub expires_at: Timestamp,
    /// Whether the person asked to stay signed in.
    pub remember: bool,
    /// When a code was last confirmed in the session.
    pub step_up_at: Option<Timestamp>,
    /// Whether the code confirmed at `step_up_at` was that of a test number.
    pub step_up_is_test: bool,
    /// Digest of the provider's newest access token; `None` if the issuer is this backend.
    pub access_hash: Option<Vec<u8>>,
    /// Digest of the provider's access token before the newest one.
    pub previous_access_hash: Option<Vec<u8>>,
    /// When the provider's newest access token expires.
    pub access_expires_at: Option<Timestamp>,
    /// When the person last opened another session after this one began, if they did.
    pub newer_sign_in_at: Option<Timestamp>,
}

impl fmt::Debug for SessionRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRow")
            .field("id", &self.id)
            .field("user_id", &self.user_id)
            .field("transport", &self.transport)
            .finish_non_exhaustive()
    }
}

/// A live session in the list that its person can see.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SessionSummary {
    pub id: Uuid,
    pub transport: String,
    /// For example `Safari on iPhone`.
    pub device: Option<String>,
    pub created_at: Timestamp,
    /// The time of the last request, to within some minutes.
    pub last_seen_at: Timestamp,
    /// The earlier of the session's two ends, idle and final.
    pub expires_at: Timestamp,
}

impl Store {
    /// The session with this id and its person; `None` if it has ended or the person is archived.
    pub async fn session(
        &self,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<SessionRow>, StoreError> {
        self.pools.reads().optional(FIND_SESSION, (id, now)).await
    }

    /// The live session with this id at the identity provider.
    pub async fn session_by_upstream(
        &self,
        upstream: &str,
        now: Timestamp,
    ) -> Result<Option<SessionRow>, StoreError> {
        let mut reads = self.pools.reads();
        let params = (upstream, now);
        reads.optional(FIND_SESSION_BY_UPSTREAM, params).await
    }

    /// Records a request of a live session at `now`, and sets the time at which the session ends unless it is used.
    pub async fn touch_session(
        &self,
        id: Uuid,
        idle_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (id, now, idle_expires_at);
        self.pools.writes().execute(TOUCH_SESSION, params).await?;
        Ok(())
    }

    /// The live sessions of a person, newest first.
    pub async fn sessions_of(
        &self,
        user_id: Uuid,
        now: Timestamp,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let mut reads = self.pools.reads();
        reads.all(LIVE_SESSIONS_OF, (user_id, now)).await
    }
}
