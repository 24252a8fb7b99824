//! Routes of the predecessor's backend that this backend does not serve: photos, and commands by WebSocket.
//!
//! A verified relay gets an answer that says so, and the log warns the operator once a day.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;

use crate::http::App;
use crate::http::api_error::ApiError;
use crate::http::callers::UnservedRequest;
use crate::http::route::{Route, route};
use crate::throttle::Throttle;

const WARNING_INTERVAL: Duration = Duration::from_hours(24);

pub(super) fn routes() -> Vec<Route> {
    vec![route!(photo, NotServed), route!(web_socket, NotServed)]
}

/// Not served: the attachments of a message stay on the Mac.
#[utoipa::path(post, path = "/photo/upload", tag = "predecessor")]
async fn photo(
    State(app): State<Arc<App>>,
    request: UnservedRequest,
) -> Result<Infallible, ApiError> {
    static WARNING: Throttle = Throttle::new(WARNING_INTERVAL);
    let fault = "photos are not taken here: what is attached to a message stays on the Mac";
    Err(refuse(&app, &request, fault, &WARNING))
}

/// Not served: replies come in the answer to `POST /edge/message`.
#[utoipa::path(get, path = "/edge/ws", tag = "predecessor")]
async fn web_socket(
    State(app): State<Arc<App>>,
    request: UnservedRequest,
) -> Result<Infallible, ApiError> {
    static WARNING: Throttle = Throttle::new(WARNING_INTERVAL);
    let fault = "there is no WebSocket here: replies come in the answer to POST /edge/message; \
                 switch it off (WEBSOCKET_ENABLED=false), or use archety-relay";
    Err(refuse(&app, &request, fault, &WARNING))
}

/// Warns the operator if a warning is due, and returns the error of the request.
fn refuse(
    app: &App,
    request: &UnservedRequest,
    fault: &'static str,
    warning: &Throttle,
) -> ApiError {
    if warning.take_turn(app.services.clock.now()) {
        tracing::warn!(
            relay = request.relay.as_str(),
            "a relay of archety-edge asks for what is not served: {fault}; logged at most once a day"
        );
    }
    ApiError::NotServed(fault)
}
