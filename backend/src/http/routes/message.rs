//! `POST /orchestrator/message` and its alias `/edge/message`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use crash_point::crash_point;
use http::HeaderMap;
use shared_protocol::{Answer, AnswerStatus, MAX_BODY_BYTES};

use super::refusal::{refuse, replayed};
use crate::http::answer::{to_relay, unsigned};
use crate::http::api_error::ApiError;
use crate::http::body::{expect_json, pass_over, read};
use crate::http::context::Context;
use crate::http::{App, VERSION};
use crate::intake::receive;
use crate::relay_auth::{AuthError, Caller, Claim};
use crate::store::Stored;

pub(in crate::http) async fn message(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let claim = app.relays.message_claim(&headers, app.clock.now()).await;
    take(&app, &context, &headers, body, claim).await
}

/// The same for the predecessor's relays, several of which may share a secret.
pub(in crate::http) async fn edge_message(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let claim = app.relays.edge_claim(&headers, app.clock.now()).await;
    take(&app, &context, &headers, body, claim).await
}

async fn take(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    body: Body,
    claim: Result<Claim<'_>, AuthError>,
) -> Response {
    let claim = match claim {
        Ok(claim) => claim,
        Err(error) => {
            pass_over(headers, body, MAX_BODY_BYTES, app.body_timeout).await;
            return refuse(app, context, error);
        }
    };
    let body = match read(app, context, headers, body, MAX_BODY_BYTES).await {
        Ok(body) => body,
        Err(error) => return unsigned(&error, context, app.clock.now()),
    };
    match app.relays.prove(claim, &body.bytes) {
        Ok(caller) => {
            app.bodies.proved(context.client, app.clock.now());
            // What is known to be a relay's counts no longer as a stranger's.
            let body = body.into_bytes();
            let result = store(app, &caller, context, headers, &body).await;
            to_relay(app, &caller, context, result)
        }
        Err(error) => refuse(app, context, error),
    }
}

async fn store(
    app: &App,
    caller: &Caller<'_>,
    context: &Context,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Answer, ApiError> {
    expect_json(headers)?;
    app.relays.note_signature(caller, app.clock.now()).await?;
    crash_point("before_store");
    let now = app.clock.now();
    let received = receive(&app.store, &app.pepper, caller, body, now).await?;
    let (status, id) = match received.stored {
        Stored::Accepted(id) => {
            crash_point("stored");
            (AnswerStatus::Accepted, id)
        }
        Stored::Duplicate(id) => (AnswerStatus::Duplicate, id),
        Stored::Conflict(id) => {
            return Err(ApiError::IdConflict {
                message_id: id.to_string(),
            });
        }
        Stored::Replayed => return Err(replayed(app, context)),
    };
    tracing::info!(
        request_id = context.request_id.as_str(),
        relay = received.relay.as_str(),
        message_id = %id,
        event = received.event.as_str(),
        status = status.as_str(),
        "message taken"
    );
    Ok(Answer {
        status,
        message_id: id.to_string(),
        // Nothing here answers messages yet, so there is no reply to wait for.
        should_respond: false,
        reply_text: None,
        reply_bubbles: Vec::new(),
        reflex_message: None,
        burst_messages: Vec::new(),
        burst_delay_ms: None,
        version: VERSION.to_owned(),
        environment: app.environment.as_str().to_owned(),
    })
}
