//! Around every route: the request id, the count, the time it took, and a net under panics.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;

use super::answer::{REQUEST_ID, problem, sign};
use super::api_error::ApiError;
use super::catch_panic::{CatchPanic, Panicked};
use super::client_address::names_a_client_elsewhere;
use super::context::{Context, HostFault, Peer};
use super::{App, Reach};
use crate::ids::RequestId;

/// Answers are data: nothing may run them, frame them, guess their type, or take them along unasked.
static SECURITY_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];
const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub(super) async fn frame(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let now = app.services.clock.now();
    let given = request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes);
    let client_request_id = RequestId::accept(given);
    let peer = Peer::of(request.extensions());
    let context = Context {
        request_id: RequestId::new(now),
        client: app.clients.addresses.of(peer, request.headers(), now),
        relay: Arc::default(),
    };
    let method = request.method().clone();
    // The pattern of the route, never the raw path: strangers choose paths, and each would become a
    // time series of its own.
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or("unmatched".to_owned(), |path| path.as_str().to_owned());
    let refused = refusal(&request, &app);
    request.extensions_mut().insert(context.clone());
    let started = Instant::now();
    let mut response = match refused {
        Some(error) => problem(&error, &context, &app, None),
        None => match CatchPanic::new(next.run(request)).await {
            Ok(response) => complete(response, &context, &app).await,
            Err(Panicked) => problem(&ApiError::Panicked, &context, &app, None),
        },
    };
    let status = response.status();
    let labels = [
        ("route", route.clone()),
        ("status", status.as_str().to_owned()),
    ];
    metrics::counter!("http_requests_total", &labels).increment(1);
    let took = started.elapsed();
    metrics::histogram!("http_request_duration_seconds", "route" => route.clone())
        .record(took.as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(context.request_id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    for (name, value) in &SECURITY_HEADERS {
        let headers = response.headers_mut();
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if app.pages.cookies.are_secure() {
        response
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
    }
    let line = AccessLine {
        method: &method,
        route: &route,
        status,
        took,
        request_id: &context.request_id,
        client_request_id: client_request_id.as_ref(),
    };
    line.log();
    response
}

/// Why a request is refused before any route sees it.
fn refusal(request: &Request, app: &App) -> Option<ApiError> {
    if let Some(fault) = request.extensions().get::<HostFault>() {
        return Some(ApiError::BadRequest(fault.as_str()));
    }
    if app.clients.reach == Reach::OwnMachine && names_a_client_elsewhere(request.headers()) {
        return Some(ApiError::DevelopmentOnly);
    }
    // The layer for pages of other origins answers every preflight, also for what does not exist.
    let is_unknown = request.extensions().get::<MatchedPath>().is_none();
    (is_unknown && request.method() == Method::OPTIONS).then_some(ApiError::NotFound)
}

/// One request in the log. It names no person: a route is a pattern, and an id is random.
struct AccessLine<'a> {
    method: &'a Method,
    route: &'a str,
    status: StatusCode,
    took: Duration,
    request_id: &'a RequestId,
    client_request_id: Option<&'a RequestId>,
}

impl AccessLine<'_> {
    /// Failures are told at the level that is on by default, what went well only to those who ask.
    fn log(&self) {
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    method = self.method.as_str(),
                    route = self.route,
                    status = self.status.as_u16(),
                    duration_ms = self.took.as_millis(),
                    request_id = self.request_id.as_str(),
                    client_request_id = self.client_request_id.map(RequestId::as_str),
                    "answered"
                )
            };
        }
        if self.status.is_server_error() {
            line!(warn);
        } else if self.status.is_client_error() {
            line!(info);
        } else {
            line!(debug);
        }
    }
}

/// Writes the problem that a handler or an extractor ended with, and signs what a relay is answered.
/// Headers that were set on the way, such as those of CORS, stay.
async fn complete(mut response: Response, context: &Context, app: &App) -> Response {
    let relay = context.relay.get().map(|relay| &**relay);
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        let mut answer = problem(&error, context, app, relay);
        for (name, value) in response.headers() {
            if name != CONTENT_LENGTH && !answer.headers().contains_key(name) {
                answer.headers_mut().append(name, value.clone());
            }
        }
        response = answer;
    }
    match relay {
        Some(relay) => sign(response, relay, app).await,
        None => response,
    }
}
