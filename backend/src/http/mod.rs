//! The face to the network: routes, statuses, bodies, time limits.
//!
//! One error type owns every status (`ApiError`). Nothing internal reaches a body; what went wrong
//! is logged once, under the request id that the body carries. Nothing outside this module knows that
//! it exists, except what starts the server.

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
mod json_body;
mod middleware;
mod openapi;
mod route;
mod routes;
mod server;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use http::Method;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{Config, Environment, WebConfig};
use crate::lifecycle::Lifecycle;
use crate::relay::auth::FailureLimiter;
use crate::services::Services;
use crate::telemetry::Metrics;
use body_budget::BodyBudget;
use browser::cookies::CookieRules;
use client_address::ClientAddresses;

pub use route::Access;
pub use server::{Limits, serve};

/// Version of this backend, on the wire and in logs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Long enough for a megabyte over a bad line, short enough to shed a client that only holds on.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the routes work with.
pub struct App {
    /// The parts of the backend.
    pub services: Services,
    /// Whether the process is going down.
    pub lifecycle: Lifecycle,
    /// The clients, and what they may take.
    pub clients: Clients,
    /// The pages that may call, and their cookies.
    pub pages: Pages,
    /// What `/metrics` shows, and to which callers.
    pub metrics: MetricsAccess,
}

/// Where requests come from, and what they may take.
pub struct Clients {
    /// Finds the client's address behind proxies.
    pub addresses: ClientAddresses,
    /// Which clients are served.
    pub reach: Reach,
    /// Slows down callers that keep failing to prove that they are a relay.
    pub relay_failures: FailureLimiter,
    /// Slows down callers that keep being turned away at the sign-in.
    pub sign_in_failures: FailureLimiter,
    /// What bodies may take before their sender is proved.
    pub bodies: BodyBudget,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
}

/// The pages that may call.
pub struct Pages {
    /// Their origins, and where the backend itself is reached.
    pub config: Arc<WebConfig>,
    /// How cookies are written.
    pub cookies: CookieRules,
}

/// Which clients a backend serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone: everything has a default, down to the codes that sign people in. Requests that
    /// a proxy brings from elsewhere are refused.
    OwnMachine,
    /// Every client that can connect.
    Network,
}

/// Which callers may read the metrics.
pub enum MetricsAccess {
    /// None; the route does not exist.
    Closed,
    /// All that can reach it.
    Open(Metrics),
    /// Those that show the token.
    Token(Metrics, SecretString),
}

impl App {
    /// Serves `services` as the configuration says.
    pub fn new(
        config: &Config,
        services: Services,
        lifecycle: Lifecycle,
        metrics: Metrics,
    ) -> Self {
        let web = Arc::new(config.web.clone());
        let reach = reach(config);
        Self {
            services,
            lifecycle,
            clients: Clients {
                addresses: ClientAddresses::new(config.proxies.clone(), config.client_ip_header),
                reach,
                relay_failures: FailureLimiter::default(),
                sign_in_failures: FailureLimiter::default(),
                bodies: BodyBudget::default(),
                body_timeout: BODY_TIMEOUT,
            },
            pages: Pages {
                cookies: CookieRules::of(&web),
                config: web,
            },
            metrics: metrics_access(config, reach, metrics),
        }
    }
}

fn reach(config: &Config) -> Reach {
    let is_development = config.environment == Environment::Development;
    if is_development && config.server.address.ip().is_loopback() {
        Reach::OwnMachine
    } else {
        Reach::Network
    }
}

fn metrics_access(config: &Config, reach: Reach, metrics: Metrics) -> MetricsAccess {
    match &config.metrics_token {
        Some(token) => MetricsAccess::Token(metrics, token.expose_secret().into()),
        None if reach == Reach::OwnMachine => MetricsAccess::Open(metrics),
        None => MetricsAccess::Closed,
    }
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
        .layer(browser::cors::layer(&app.pages.config))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&app),
            middleware::answer_request,
        ))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variables;

    #[test]
    fn metrics_without_a_token_stay_on_the_machine() {
        let access = |pairs: &[(&str, &str)]| {
            let variables = Variables::of(pairs.iter().copied());
            let config = Config::from_variables(&variables).expect("valid");
            metrics_access(&config, reach(&config), Metrics::of_process())
        };
        let development = ("APP_ENV", "development");
        assert!(matches!(access(&[]), MetricsAccess::Open(_)));
        let twilio = [
            ("TWILIO_ACCOUNT_SID", "AC00"),
            ("TWILIO_AUTH_TOKEN", "00"),
            ("TWILIO_VERIFY_SERVICE_SID", "VA00"),
        ];
        let exposed = [&twilio[..], &[development, ("HOST", "0.0.0.0")]].concat();
        assert!(matches!(access(&exposed), MetricsAccess::Closed));
        let token = ("METRICS_TOKEN", "0123456789abcdef");
        let exposed = access(&[&exposed[..], &[token]].concat());
        assert!(matches!(exposed, MetricsAccess::Token(..)));
    }
}
