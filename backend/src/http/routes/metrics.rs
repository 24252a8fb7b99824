//! `GET /metrics` in Prometheus' text format.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use utoipa::openapi::path::Operation;

use crate::http::App;
use crate::http::api_error::ApiError;
use crate::http::callers::MetricsReader;
use crate::http::route::{Answers, Route, Schemas, answers_with, route, text};

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn routes() -> Vec<Route> {
    vec![route!(metrics)]
}

struct PrometheusText(String);

impl IntoResponse for PrometheusText {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static(TEXT_FORMAT);
        ([(CONTENT_TYPE, kind)], self.0).into_response()
    }
}

impl Answers for PrometheusText {
    fn describe(operation: &mut Operation, _: &mut Schemas) {
        answers_with(operation, TEXT_FORMAT, text());
    }
}

/// What happened here, in numbers, in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "operation")]
async fn metrics(
    State(app): State<Arc<App>>,
    MetricsReader(metrics): MetricsReader,
) -> Result<PrometheusText, ApiError> {
    let waiting = u32::try_from(app.services.store.intake_depth()).unwrap_or(u32::MAX);
    ::metrics::gauge!("intake_queue_messages").set(f64::from(waiting));
    Ok(PrometheusText(metrics.render()))
}
