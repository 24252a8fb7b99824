//! `GET /healthz`, `/health` and `/readyz`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use shared_protocol::{HEALTH_ROUTE, Health};

use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::route::{Route, route};
use crate::http::{App, VERSION};
use crate::store::StoreError;

/// How long the database may take to answer. This is shorter than the timeout of a usual health probe.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) fn routes() -> Vec<Route> {
    vec![
        route!(health),
        route!(health_of_the_predecessor),
        route!(ready),
    ]
}

/// Tells whether the process is alive.
///
/// The answer is always 200: a process that answers is alive, and a restart would not repair its database.
#[utoipa::path(get, path = HEALTH_ROUTE, tag = "operation")]
async fn health() -> Json<Health> {
    Json::of(&Health {
        status: "ok".to_owned(),
        version: VERSION.to_owned(),
        rehearsals: true,
    })
}

/// The same as `GET /healthz`, at the path that archety-edge asks for.
#[utoipa::path(get, path = "/health", tag = "operation")]
async fn health_of_the_predecessor() -> Json<Health> {
    health().await
}

/// Tells whether the process should get traffic.
///
/// The answer is 503 while the database is unavailable, messages cannot be stored, or the process is shutting down.
#[utoipa::path(get, path = "/readyz", tag = "operation")]
async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    if app.lifecycle.is_draining() {
        return Err(ApiError::ShuttingDown);
    }
    match tokio::time::timeout(PING_TIMEOUT, app.services.store.ping()).await {
        Ok(answered) => answered?,
        Err(_) => return Err(ApiError::StoreUnavailable(StoreError::Overloaded)),
    }
    Ok(health().await)
}
