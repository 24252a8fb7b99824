//! A relay route's answer to a request whose sender is not known: told, counted, slowed down.

use axum::response::Response;

use crate::http::App;
use crate::http::answer::unsigned;
use crate::http::api_error::ApiError;
use crate::http::context::Context;
use crate::relay_auth::{AuthError, Verdict};

pub(super) fn refuse(app: &App, context: &Context, error: AuthError) -> Response {
    let now = app.clock.now();
    let AuthError::Refused(reason) = error else {
        return unsigned(&error.into(), context, now);
    };
    metrics::counter!("relay_auth_failures_total", "reason" => reason.as_str()).increment(1);
    match app.failures.count(context.peer, now) {
        Verdict::Tell => {
            tracing::warn!(
                request_id = context.request_id.as_str(),
                reason = reason.as_str(),
                "relay refused"
            );
            unsigned(&ApiError::Unauthorized(reason), context, now)
        }
        Verdict::Wait { retry_after } => {
            unsigned(&ApiError::RateLimited { retry_after }, context, now)
        }
    }
}
