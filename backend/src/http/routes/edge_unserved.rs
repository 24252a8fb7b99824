//! What the predecessor's relays ask for and this backend has not: photos, and commands by WebSocket.
//!
//! A relay that proves itself is told so, and the operator once a day.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use shared_protocol::{MAX_BODY_BYTES, SignatureReason};

use super::refusal::refuse;
use crate::http::App;
use crate::http::answer::unsigned;
use crate::http::api_error::ApiError;
use crate::http::body::pass_over;
use crate::http::context::Context;
use crate::relay_auth::{AuthError, Claim};
use crate::throttle::Throttle;

const WARNED_EVERY: Duration = Duration::from_hours(24);
/// A client that is cut off while it sends may never see the answer, so a photo is let by.
const MAX_PHOTO_BYTES: usize = 32 * 1024 * 1024;

/// `POST /photo/upload`.
pub(in crate::http) async fn photo(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    body: Body,
) -> Response {
    static WARNING: Throttle = Throttle::new(WARNED_EVERY);
    let fault = "photos are not taken here: what is attached to a message stays on the Mac";
    unserved(&app, &context, &headers, body, fault, &WARNING).await
}

/// `GET /edge/ws`.
pub(in crate::http) async fn web_socket(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    body: Body,
) -> Response {
    static WARNING: Throttle = Throttle::new(WARNED_EVERY);
    let fault = "there is no WebSocket here: replies come in the answer to POST /edge/message; \
                 switch it off (WEBSOCKET_ENABLED=false), or use archety-relay";
    unserved(&app, &context, &headers, body, fault, &WARNING).await
}

async fn unserved(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    body: Body,
    fault: &'static str,
    warning: &Throttle,
) -> Response {
    let now = app.clock.now();
    let proof = app.relays.edge_claim(headers, now).await;
    let is_proven = matches!(proof, Ok(Claim::Proven(_)));
    let limit = if is_proven {
        MAX_PHOTO_BYTES
    } else {
        MAX_BODY_BYTES
    };
    pass_over(headers, body, limit, app.body_timeout).await;
    match proof {
        Ok(Claim::Proven(caller)) => {
            if warning.is_due(now) {
                tracing::warn!(
                    relay = caller.relay().as_str(),
                    "a relay of archety-edge asks for what is not served: {fault}; told once a day"
                );
            }
            unsigned(&ApiError::NotServed(fault), context, now)
        }
        // Relays that sign ask for nothing here.
        Ok(Claim::Signed(_)) => {
            let reason = SignatureReason::WrongPurpose;
            refuse(app, context, AuthError::Refused(reason))
        }
        Err(error) => refuse(app, context, error),
    }
}
