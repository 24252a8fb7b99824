//! `GET /metrics` in Prometheus' text format.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::http::App;
use crate::http::callers::MetricsReader;
use crate::http::route::{Route, route};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(metrics)]
}

/// Returns the metrics in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses((
        status = 200,
        description = "OK",
        body = String,
        content_type = "text/plain; version=0.0.4; charset=utf-8"
    ))
)]
async fn metrics(State(app): State<Arc<App>>, MetricsReader(metrics): MetricsReader) -> Response {
    let waiting = u32::try_from(app.services.store.intake_depth()).unwrap_or(u32::MAX);
    ::metrics::gauge!("intake_queue_messages").set(f64::from(waiting));
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (headers, metrics.render()).into_response()
}
