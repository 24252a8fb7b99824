//! The middleware around every route. It gives each request an id and a span, counts and logs the answer, and turns a
//! panic of a handler into an error answer.

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
use metrics::Label;
use tokio::time::Instant;

use super::answer::{REQUEST_ID, problem, sign};
use super::api_error::ApiError;
use super::catch_panic::{CatchPanic, Panicked};
use super::client_address::names_a_client_elsewhere;
use super::context::{Context, HostFault, Peer};
use super::{App, Reach};
use crate::ids::RequestId;
use crate::request;

/// Headers of every answer. A browser must not run an answer, show it in a frame, guess its type, or give it to a page
/// of another site.
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
/// Tells the browser to use https only, for a year.
const HTTPS_FOR_ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Answers a request within its span, and logs and counts how it ended.
pub(super) async fn answer_request(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let now = app.services.clock.now();
    let request_id = RequestId::new(now);
    let header = request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes);
    let client_request_id = RequestId::from_header(header);
    let peer = Peer::of(request.extensions());
    let context = Context {
        request_id: request_id.clone(),
        client: app
            .clients
            .addresses
            .client_of(peer, request.headers(), now),
        relay: Arc::default(),
    };
    request.extensions_mut().insert(context.clone());
    // Metrics are labelled with the pattern of the route, not with the path: clients choose paths, and each path would
    // become a time series.
    let matched = request.extensions().get::<MatchedPath>();
    let route: Arc<str> = matched.map_or("unmatched", MatchedPath::as_str).into();
    // The span has the level of errors, so that no log level disables it.
    let span = tracing::error_span!(
        parent: None,
        "request",
        request_id = request_id.as_str(),
        route = &*route,
        relay = tracing::field::Empty,
    );
    let method = request.method().clone();
    request::within(request_id, span, async move {
        let started = Instant::now();
        let response = answer(&app, &context, request, next).await;
        let (status, duration) = (response.status(), started.elapsed());
        count(status, duration, route);
        log(status, duration, &method, client_request_id.as_ref());
        response
    })
    .await
}

/// The complete answer: that of the route, or an error if the request is refused or its handler panics.
async fn answer(app: &App, context: &Context, request: Request, next: Next) -> Response {
    let mut response = match refusal(&request, app) {
        Some(error) => problem(&error, context, app, None),
        None => match CatchPanic::new(next.run(request)).await {
            Ok(response) => complete(response, context, app).await,
            Err(Panicked) => problem(&ApiError::Panicked, context, app, None),
        },
    };
    let headers = response.headers_mut();
    // The two other headers are the request id and `Strict-Transport-Security`.
    headers.reserve(SECURITY_HEADERS.len() + 2);
    if let Ok(value) = HeaderValue::from_str(context.request_id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in &SECURITY_HEADERS {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if app.pages.cookies.are_secure() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HTTPS_FOR_ONE_YEAR);
    }
    response
}

fn count(status: StatusCode, duration: Duration, route: Arc<str>) {
    let labels = vec![
        Label::new("route", Arc::clone(&route)),
        Label::new("status", status.as_str().to_owned()),
    ];
    metrics::counter!("http_requests_total", labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", "route" => route)
        .record(duration.as_secs_f64());
}

/// Logs one line for each request. Failures have levels that are logged by default, and successes do not.
fn log(
    status: StatusCode,
    duration: Duration,
    method: &Method,
    client_request_id: Option<&RequestId>,
) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                method = method.as_str(),
                status = status.as_u16(),
                duration_ms = duration.as_millis(),
                client_request_id = client_request_id.map(RequestId::as_str),
                "answered"
            )
        };
    }
    if status.is_server_error() {
        line!(warn);
    } else if status.is_client_error() {
        line!(info);
    } else {
        line!(debug);
    }
}

/// The error of a request that is refused before its route handles it.
fn refusal(request: &Request, app: &App) -> Option<ApiError> {
    if let Some(fault) = request.extensions().get::<HostFault>() {
        return Some(ApiError::BadRequest(fault.into_str()));
    }
    if app.clients.reach == Reach::OwnMachine && names_a_client_elsewhere(request.headers()) {
        return Some(ApiError::DevelopmentOnly);
    }
    // The CORS layer would answer a preflight request (`OPTIONS`) even if no route has its path.
    let is_unknown = request.extensions().get::<MatchedPath>().is_none();
    (is_unknown && request.method() == Method::OPTIONS).then_some(ApiError::NotFound)
}

/// Writes the body of an error answer, and signs the answer to a verified relay. Headers that other layers have set,
/// such as those of CORS, are kept.
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
