//! The audit log: events of sign-ins, sessions and operator commands, with the person's id and the outcome.
//!
//! An event never contains a phone number, address, code or token. If an event cannot be stored, the failure is
//! logged and the request continues.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::request;
use crate::store::{NewEvent, Store};

/// The kind of an event. The name of the kind is stored and is a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum EventKind {
    /// A client requested a code.
    CodeStart,
    /// A client sent a code to confirm it.
    CodeConfirm,
    /// A sign-in after a confirmed code, successful or not.
    SignIn,
    /// A session was stepped up by a confirmed code.
    StepUp,
    /// The refresh of a session's tokens, or the end of a session that a refresh caused.
    Refresh,
    /// A person logged out.
    LogOut,
    /// A person ended one of their sessions, chosen by its id.
    SessionDelete,
    /// A person exported their data.
    Export,
    /// A person deleted all their data.
    Delete,
    /// An account at the identity provider was repaired, adopted or replaced, or a person did not get it.
    AccountRepair,
    /// The operator bound the database to another identity provider.
    IdentitySwitch,
    /// The operator rotated the signing keys, or encrypted stored keys anew.
    KeysRotate,
}

/// An event of the audit log.
#[derive(Clone, Debug)]
pub struct Event {
    kind: EventKind,
    outcome: &'static str,
    user_id: Option<Uuid>,
    session_id: Option<Uuid>,
}

impl Event {
    /// An event without a person and without a session. `outcome` is one of a few fixed words for each kind.
    pub fn new(kind: EventKind, outcome: &'static str) -> Self {
        Self {
            kind,
            outcome,
            user_id: None,
            session_id: None,
        }
    }

    #[must_use]
    pub fn by_person(mut self, user_id: Uuid) -> Self {
        self.user_id = Some(user_id);
        self
    }

    #[must_use]
    pub fn in_session(mut self, session_id: Uuid) -> Self {
        self.session_id = Some(session_id);
        self
    }

    /// The row of the event, with the id of the current request. A caller that inserts the row in its own
    /// transaction calls [`count`] afterwards.
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

/// Counts the event of a row in the metrics.
pub(crate) fn count(row: &NewEvent) {
    let labels = [("kind", row.kind), ("outcome", row.outcome)];
    metrics::counter!("auth_events_total", &labels).increment(1);
}

/// Counts an event without storing it, because a client can cause any number of events of this kind.
pub fn count_only(kind: EventKind, outcome: &'static str) {
    let labels = [("kind", kind.into_str()), ("outcome", outcome)];
    metrics::counter!("auth_events_total", &labels).increment(1);
}

/// Counts an event, and stores it unless the session has [`Store::MAX_EVENTS_OF_SESSION`] events of this kind and
/// outcome already.
pub async fn record(store: &Store, event: Event, now: Timestamp) {
    let row = event.row(now);
    count(&row);
    if let Err(error) = store.record_event(&row, now).await {
        tracing::warn!(
            error = %error,
            kind = row.kind,
            outcome = row.outcome,
            "an event of the audit log was not stored"
        );
    }
}
