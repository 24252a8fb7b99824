//! Around every route: the request id, the count, the time it took, and a net under panics.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;

use super::App;
use super::answer::unsigned;
use super::api_error::ApiError;
use super::catch_panic::{CatchPanic, Panicked};
use super::context::{Context, client_of};
use crate::ids::RequestId;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
    let given = request.headers().get(REQUEST_ID).map(HeaderValue::as_bytes);
    let request_id = RequestId::accept(given).unwrap_or_else(|| RequestId::new(app.clock.now()));
    let context = Context {
        request_id,
        client: client_of(request.extensions(), request.headers(), &app.proxies),
    };
    // The pattern of the route, never the raw path: strangers choose paths, and each would become a
    // time series of its own.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(context.clone());
    let started = Instant::now();
    let answered = CatchPanic::new(next.run(request)).await;
    let mut response = match answered {
        Ok(response) => complete(response, &context, &app),
        Err(Panicked) => unsigned(&ApiError::Panicked, &context, app.clock.now()),
    };
    let status = response.status();
    let labels = [
        ("route", route.clone()),
        ("status", status.as_str().to_owned()),
    ];
    metrics::counter!("http_requests_total", &labels).increment(1);
    metrics::histogram!("http_request_duration_seconds", "route" => route)
        .record(started.elapsed().as_secs_f64());
    if let Ok(value) = HeaderValue::from_str(context.request_id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    for (name, value) in &SECURITY_HEADERS {
        let headers = response.headers_mut();
        headers.entry(name).or_insert_with(|| value.clone());
    }
    if app.cookies.are_secure() {
        response
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
    }
    tracing::debug!(
        request_id = context.request_id.as_str(),
        status = status.as_u16(),
        "answered"
    );
    response
}

/// Writes the problem that a handler or an extractor ended with. Headers that were set on the way, such
/// as those of CORS, stay.
fn complete(mut response: Response, context: &Context, app: &App) -> Response {
    let Some(error) = response.extensions_mut().remove::<ApiError>() else {
        return response;
    };
    let mut answer = unsigned(&error, context, app.clock.now());
    for (name, value) in response.headers() {
        if name != CONTENT_LENGTH && !answer.headers().contains_key(name) {
            answer.headers_mut().append(name, value.clone());
        }
    }
    answer
}
