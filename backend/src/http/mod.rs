//! The HTTP server: routes, statuses, bodies, time limits.
//!
//! One error type, `ApiError`, decides the status of every error. The body of an error has no internal details. The
//! cause is logged once, with the request id that the body has. Of the other modules, only `cli` uses this one.

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
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{Config, Environment, WebConfig};
use crate::lifecycle::Lifecycle;
use crate::relay::auth::FailureLimiter;
use crate::services::Services;
use api_error::ApiError;
use body_budget::BodyBudget;
use browser::cookies::CookieRules;
use client_address::ClientAddresses;

pub use route::{RouteAccess, RouteEntry};
pub use server::{Limits, serve};

/// The version of this backend, in answers and in logs.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long a body may take to arrive. This is enough for a megabyte over a slow line.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The state that all routes share.
pub struct App {
    pub services: Services,
    pub lifecycle: Lifecycle,
    pub clients: Clients,
    pub pages: Pages,
    pub metrics: MetricsAccess,
}

/// How clients are told apart, and their limits.
pub struct Clients {
    /// Finds the address of a request's client.
    pub addresses: ClientAddresses,
    pub reach: Reach,
    /// Limits addresses that keep failing to prove that they are a relay.
    pub relay_failures: FailureLimiter,
    /// Limits addresses that keep failing to sign in.
    pub sign_in_failures: FailureLimiter,
    /// Limits the memory for the bodies of requests.
    pub bodies: BodyBudget,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
}

/// The web pages that may send requests, and their cookies.
pub struct Pages {
    pub config: Arc<WebConfig>,
    pub cookies: CookieRules,
}

/// Which clients a backend serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only this machine. Development has a number with a fixed code by default, with which every caller could sign in.
    /// So requests that a proxy forwards from other machines are refused.
    OwnMachine,
    /// Every client that can connect.
    Network,
}

/// Which callers may read the metrics.
pub enum MetricsAccess {
    /// The route answers 404.
    Closed,
    /// Every caller.
    Open(PrometheusHandle),
    /// Callers that show the token.
    Token(PrometheusHandle, SecretString),
}

impl App {
    pub fn new(
        config: &Config,
        services: Services,
        lifecycle: Lifecycle,
        metrics: PrometheusHandle,
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

/// [`Reach::OwnMachine`] in development on a loopback address.
fn reach(config: &Config) -> Reach {
    let is_development = config.environment == Environment::Development;
    if is_development && config.server.address.ip().is_loopback() {
        Reach::OwnMachine
    } else {
        Reach::Network
    }
}

/// Without `METRICS_TOKEN`, the metrics are open only if no other machine can reach them.
fn metrics_access(config: &Config, reach: Reach, metrics: PrometheusHandle) -> MetricsAccess {
    match &config.metrics_token {
        Some(token) => MetricsAccess::Token(metrics, token.expose_secret().into()),
        None if reach == Reach::OwnMachine => MetricsAccess::Open(metrics),
        None => MetricsAccess::Closed,
    }
}

/// Every route with the callers that it accepts, in the order of the `OpenAPI` document.
pub fn route_list() -> Vec<RouteEntry> {
    let routes = routes::all().into_iter();
    routes.map(|route| route.entry).collect()
}

/// All routes, with the layers around them.
pub fn router(app: Arc<App>) -> Router {
    let router = Router::from(openapi::router(routes::all()));
    router
        .fallback(|| async { ApiError::NotFound })
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        // The outermost layer comes first. As one tuple, the layers are boxed once and cloned once for each request.
        .layer((
            axum::middleware::from_fn_with_state(Arc::clone(&app), middleware::answer_request),
            browser::cors::layer(&app.pages.config),
            // Each route reads its body within its own limit.
            DefaultBodyLimit::disable(),
        ))
        .with_state(app)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variables;
    use crate::telemetry::process_metrics;

    #[test]
    fn other_machines_need_a_token_for_metrics() {
        let access = |pairs: &[(&str, &str)]| {
            let variables = Variables::of(pairs.iter().copied());
            let config = Config::from_variables(&variables).expect("valid");
            metrics_access(&config, reach(&config), process_metrics())
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
