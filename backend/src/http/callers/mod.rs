//! Who may call: a handler takes one of these, and is closed to everybody else.

mod metrics;
mod person;
mod refresh;
mod refusal;
mod relay;

pub(super) use metrics::MetricsReader;
pub(super) use person::{SignedIn, SteppedUp, session_of};
pub(super) use refresh::ShowsRefreshToken;
pub(super) use refusal::replayed;
pub(super) use relay::{Edge, FromRelay, Messages, PassedOver, Pulls};
