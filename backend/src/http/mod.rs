//! The face to the network: routes, statuses, bodies, time limits.
//!
//! One error type owns every status (`ApiError`). Nothing internal reaches a body; what went wrong
//! is logged once, under the request id that the body carries. Nothing outside this module knows that
//! it exists, except whoever starts the server.

mod answer;
mod api_error;
mod body;
mod body_budget;
mod browser;
mod callers;
mod catch_panic;
mod client_address;
mod context;
mod docs;
mod frame;
mod json_body;
mod openapi;
mod route;
mod routes;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use http::Method;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::config::{Environment, WebConfig};
use crate::identity::Identity;
use crate::keyring::Keyring;
use crate::known_device::KnownDevices;
use crate::lifecycle::Lifecycle;
use crate::otp::Otp;
use crate::relay_auth::{FailureLimiter, RelayAuthenticator};
use crate::sessions::Sessions;
use crate::store::{Pepper, Store};
use crate::telemetry::Metrics;

pub use body_budget::BodyBudget;
pub use browser::cookies::CookieRules;
pub use client_address::ClientAddresses;
pub use route::Access;
pub use server::{Limits, serve};

/// Version of this backend, on the wire and in logs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the routes work with.
pub struct App {
    /// The database.
    pub store: Store,
    /// The key of every keyed hash.
    pub pepper: Pepper,
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
    /// Slows down whoever keeps being turned away at the sign-in.
    pub sign_in_failures: FailureLimiter,
    /// Where requests come from.
    pub client_addresses: ClientAddresses,
    /// Whom this backend serves.
    pub reach: Reach,
    /// What `/metrics` shows, and to whom.
    pub metrics: MetricsAccess,
    /// Sends and checks codes.
    pub otp: Otp,
    /// Who is signed in.
    pub sessions: Sessions,
    /// Who issues access tokens.
    pub identity: Arc<Identity>,
    /// The keys that cookies and CSRF tokens hang on.
    pub keyring: Arc<Keyring>,
    /// Which devices somebody signed in on before.
    pub known_devices: KnownDevices,
    /// Which pages may call.
    pub web: Arc<WebConfig>,
    /// How cookies are written.
    pub cookies: CookieRules,
    /// What the bodies of strangers may take.
    pub bodies: BodyBudget,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
}

/// Whom a backend serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone: everything has a default, down to the codes that sign people in. Requests that
    /// a proxy brings from elsewhere are refused.
    OwnMachine,
    /// Whoever can connect.
    Network,
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

/// One line of the public list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// `GET`, `POST`, …
    pub method: Method,
    /// The path; `{id}` stands for one segment.
    pub path: String,
    /// Who may call.
    pub access: Access,
}

/// Every route with who may call it, in the order of the documents.
pub fn route_list() -> Vec<RouteEntry> {
    let routes = routes::all().into_iter();
    routes
        .map(|route| RouteEntry {
            method: route.method,
            path: route.path,
            access: route.access,
        })
        .collect()
}

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    let router = Router::from(openapi::router(routes::all()));
    router
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        // Each route reads its body within its own limit.
        .layer(DefaultBodyLimit::disable())
        .layer(browser::cors::layer(&app.web))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            frame::frame,
        ))
        .with_state(app)
}
