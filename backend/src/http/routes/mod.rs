//! One file per route.

mod fallback;
mod health;
mod message;
mod metrics;
mod pull;
mod refusal;

pub(super) use fallback::{method_not_allowed, not_found};
pub(super) use health::{health, ready};
pub(super) use message::message;
pub(super) use metrics::metrics;
pub(super) use pull::pull;
