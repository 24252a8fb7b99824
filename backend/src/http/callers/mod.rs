//! Extractors for the callers of a route. A handler that takes one of them is closed to all other callers.

mod metrics;
mod person;
mod refresh;
mod relay;

pub(super) use metrics::MetricsReader;
pub(super) use person::{SignedIn, SteppedUp, session_of};
pub(super) use refresh::RefreshCredentials;
pub(super) use relay::{EdgeRequest, FromRelay, MessageRequest, UnservedRequest, refuse_replayed};
