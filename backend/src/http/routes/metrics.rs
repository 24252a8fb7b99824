//! `GET /metrics` in Prometheus' text format.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::http::answer::unsigned;
use crate::http::api_error::ApiError;
use crate::http::context::Context;
use crate::http::{App, MetricsAccess};
use crate::relay_auth::shown_bearer;

const TEXT_FORMAT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(in crate::http) async fn metrics(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
) -> Response {
    let metrics = match &app.metrics {
        MetricsAccess::Closed => {
            return unsigned(&ApiError::NotFound, &context, app.clock.now());
        }
        MetricsAccess::Open(metrics) => metrics,
        MetricsAccess::Token(metrics, token) => {
            if !shows(&headers, token.expose_secret()) {
                return unsigned(&ApiError::TokenRequired, &context, app.clock.now());
            }
            metrics
        }
    };
    let waiting = u32::try_from(app.store.intake_depth()).unwrap_or(u32::MAX);
    ::metrics::gauge!("intake_queue_messages").set(f64::from(waiting));
    let mut response = Response::new(Body::from(metrics.render()));
    response.headers_mut().insert(CONTENT_TYPE, TEXT_FORMAT);
    response
}

/// Hashes are compared, so that the time it takes says nothing about the token, not even its length.
fn shows(headers: &HeaderMap, token: &str) -> bool {
    let expected = Sha256::digest(token.as_bytes());
    shown_bearer(headers).is_some_and(|shown| Sha256::digest(shown)[..].ct_eq(&expected[..]).into())
}
