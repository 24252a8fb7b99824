//! The face to the network: routes, statuses, bodies, time limits.
//!
//! One error type owns every status (`ApiError`). Nothing internal reaches a body; what went wrong
//! is logged once, under the request id that the body carries. Nothing outside this module knows that
//! it exists, except whoever starts the server.

mod answer;
mod api_error;
mod body;
mod catch_panic;
mod context;
mod frame;
mod routes;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use secrecy::SecretString;
use shared_protocol::{LEGACY_MESSAGE_ROUTE, MESSAGE_ROUTE, PULL_ROUTE};

use crate::clock::Clock;
use crate::config::{Environment, TrustedProxies};
use crate::lifecycle::Lifecycle;
use crate::relay_auth::{FailureLimiter, RelayAuthenticator};
use crate::store::Store;
use crate::telemetry::Metrics;

pub use server::{Limits, serve};

/// Version of this backend, on the wire and in logs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the routes work with.
pub struct App {
    /// The database.
    pub store: Store,
    /// Verifies relays.
    pub relays: RelayAuthenticator,
    /// Development or production, told in answers.
    pub environment: Environment,
    /// Tells the time.
    pub clock: Clock,
    /// Whether the process is going down.
    pub lifecycle: Lifecycle,
    /// Slows down whoever keeps failing to prove itself.
    pub failures: FailureLimiter,
    /// Whose word about a client's address counts.
    pub proxies: TrustedProxies,
    /// What `/metrics` shows, and to whom.
    pub metrics: MetricsAccess,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
}

/// Who may read the metrics.
pub enum MetricsAccess {
    /// Nobody; the route does not exist.
    Closed,
    /// Anybody who can reach it.
    Open(Metrics),
    /// Whoever shows the token.
    Token(Metrics, SecretString),
}

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route(MESSAGE_ROUTE, post(routes::message))
        .route(LEGACY_MESSAGE_ROUTE, post(routes::message))
        .route(PULL_ROUTE, post(routes::pull))
        .route("/healthz", get(routes::health))
        .route("/health", get(routes::health))
        .route("/readyz", get(routes::ready))
        .route("/metrics", get(routes::metrics))
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        // Each route reads its body within its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            frame::frame,
        ))
        .with_state(app)
}
