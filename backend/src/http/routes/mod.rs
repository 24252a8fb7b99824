//! The routes. Each file has the handlers of one path, or of a few paths that belong together.

mod auth;
mod docs;
mod edge_unserved;
mod health;
mod jwks;
mod message;
mod metrics;
mod pull;
mod user;

use super::route::Route;

/// Every route, in the order of the `OpenAPI` document.
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
