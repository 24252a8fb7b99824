//! The audit log: events of signing in and of the operator's commands, with the person's id and the outcome.
//!
//! No number, address, code or token is ever part of an event; labels come from the closed lists here. If an event
//! cannot be written, the failure is logged and the request goes on.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::request;
use crate::store::{NewEvent, Store};

/// What happened, as it is stored and as a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum EventKind {
    /// A code was asked for.
    CodeStart,
    /// A code was given.
    CodeConfirm,
    /// A session was to begin.
    SignIn,
    /// A code was confirmed in a session.
    StepUp,
    /// A refresh token was shown.
    Refresh,
    /// Sessions were ended by their owner.
    LogOut,
    /// One session was ended by its owner from another.
    SessionDelete,
    /// A person took their data along.
    Export,
    /// A person had everything deleted.
    Delete,
    /// An account at the identity provider was not as we left it.
    AccountRepair,
    /// The operator bound the database to another identity provider.
    IdentitySwitch,
    /// The operator made new keys.
    KeysRotate,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    kind: EventKind,
    outcome: &'static str,
    user_id: Option<Uuid>,
    session_id: Option<Uuid>,
}

impl Event {
    /// To a person who is not known. `outcome` is one of the few words that a kind can end with.
    pub fn new(kind: EventKind, outcome: &'static str) -> Self {
        Self {
            kind,
            outcome,
            user_id: None,
            session_id: None,
        }
    }

    /// To this person.
    #[must_use]
    pub fn of(mut self, user_id: Uuid) -> Self {
        self.user_id = Some(user_id);
        self
    }

    /// In this session.
    #[must_use]
    pub fn in_session(mut self, session_id: Uuid) -> Self {
        self.session_id = Some(session_id);
        self
    }

    /// As a row of the request that the task works for. A caller that writes it inside a transaction of its
    /// own counts it afterwards.
    pub(crate) fn row(self, now: Timestamp) -> NewEvent {
        NewEvent {
            id: row_id(now),
            kind: self.kind.into_str(),
            outcome: self.outcome,
            user_id: self.user_id,
            session_id: self.session_id,
            request_id: request::current_id().map(|id| id.as_str().to_owned()),
        }
    }
}

/// Counts an event that is written down.
pub(crate) fn count(row: &NewEvent) {
    let labels = [("kind", row.kind), ("outcome", row.outcome)];
    metrics::counter!("auth_events_total", &labels).increment(1);
}

/// Counts what happened and nothing more: a caller can make it happen without end.
pub fn count_only(kind: EventKind, outcome: &'static str) {
    let labels = [("kind", kind.into_str()), ("outcome", outcome)];
    metrics::counter!("auth_events_total", &labels).increment(1);
}

/// Counts what happened and writes it down, unless this session has done it [`Store::EVENTS_OF_SESSION`]
/// times before.
pub async fn record(store: &Store, event: Event, now: Timestamp) {
    let row = event.row(now);
    count(&row);
    if let Err(error) = store.record_event(&row, now).await {
        tracing::warn!(
            error = %error,
            kind = row.kind,
            outcome = row.outcome,
            "an event of the door was not written down"
        );
    }
}
