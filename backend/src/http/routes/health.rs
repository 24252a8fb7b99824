//! Whether the process lives, and whether it should get traffic.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use shared_protocol::Health;

use crate::http::answer::{json, unsigned};
use crate::http::api_error::ApiError;
use crate::http::context::Context;
use crate::http::{App, VERSION};
use crate::store::StoreError;

/// Shorter than any probe waits.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// Always 200: a process that can answer is alive, and restarting it would not mend its database.
pub(in crate::http) async fn health() -> Response {
    let health = Health {
        status: "ok".to_owned(),
        version: VERSION.to_owned(),
        rehearsals: true,
    };
    json(StatusCode::OK, &health)
}

/// 503 while the database is away, nothing is taken in, or the process is going down.
pub(in crate::http) async fn ready(State(app): State<Arc<App>>, context: Context) -> Response {
    let now = app.clock.now();
    if app.lifecycle.is_draining() {
        return unsigned(&ApiError::ShuttingDown, &context, now);
    }
    let answered = tokio::time::timeout(PING_TIMEOUT, app.store.ping()).await;
    match answered {
        Ok(Ok(())) => health().await,
        Ok(Err(error)) => unsigned(&error.into(), &context, now),
        Err(_) => unsigned(
            &ApiError::StoreUnavailable(StoreError::Overloaded),
            &context,
            now,
        ),
    }
}
