//! One file per path: its handlers, and `routes()`, which this list names.

mod auth;
mod docs;
mod edge_unserved;
mod fallback;
mod health;
mod jwks;
mod message;
mod metrics;
mod pull;
mod user;

use super::route::Route;

pub(super) use fallback::{method_not_allowed, not_found};

/// Every route, in the order of the documents.
pub(super) fn all() -> Vec<Route> {
    [
        auth::routes(),
        user::routes(),
        message::routes(),
        edge_unserved::routes(),
        pull::routes(),
        health::routes(),
        metrics::routes(),
        jwks::routes(),
        docs::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
