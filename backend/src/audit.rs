//! What happened at the door, and what the operator did to it, written down and counted: who by id,
//! what, how it ended.
//!
//! No number, address, code or token is ever part of it; labels come from the closed lists here. A
//! record that cannot be written is logged and lets the request pass: it tells what was done, it does
//! not permit it.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::request;
use crate::store::{NewEvent, Store};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl EventKind {
    /// As it is stored, and as a label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CodeStart => "code_start",
            Self::CodeConfirm => "code_confirm",
            Self::SignIn => "sign_in",
            Self::StepUp => "step_up",
            Self::Refresh => "refresh",
            Self::LogOut => "log_out",
            Self::SessionDelete => "session_delete",
            Self::Export => "export",
            Self::Delete => "delete",
            Self::AccountRepair => "account_repair",
            Self::IdentitySwitch => "identity_switch",
            Self::KeysRotate => "keys_rotate",
        }
    }
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
            kind: self.kind.as_str(),
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
    let labels = [("kind", kind.as_str()), ("outcome", outcome)];
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
