//! Paths and methods that don't exist.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::http::App;
use crate::http::answer::unsigned;
use crate::http::api_error::ApiError;
use crate::http::context::Context;

pub(in crate::http) async fn not_found(State(app): State<Arc<App>>, context: Context) -> Response {
    unsigned(&ApiError::NotFound, &context, app.clock.now())
}

pub(in crate::http) async fn method_not_allowed(
    State(app): State<Arc<App>>,
    context: Context,
) -> Response {
    unsigned(&ApiError::MethodNotAllowed, &context, app.clock.now())
}
