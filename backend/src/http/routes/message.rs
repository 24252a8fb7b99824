//! `POST /orchestrator/message` and the predecessor's `POST /edge/message`.

use std::sync::Arc;

use axum::extract::State;
use crash_point::crash_point;
use shared_protocol::{Answer, AnswerStatus, LEGACY_MESSAGE_ROUTE, MESSAGE_ROUTE};

use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::callers::{EdgeRequest, FromRelay, MessageRequest, refuse_replayed};
use crate::http::context::Context;
use crate::http::route::{Route, route};
use crate::http::{App, VERSION};
use crate::relay::intake::receive;
use crate::store::Stored;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route!(message, RelayMismatch, IdConflict),
        route!(edge_message, RelayMismatch, IdConflict),
    ]
}

/// Stores a message of the relay, exactly once.
#[utoipa::path(post, path = MESSAGE_ROUTE, tag = "relay")]
async fn message(
    State(app): State<Arc<App>>,
    context: Context,
    relay: FromRelay<MessageRequest>,
) -> Result<Json<Answer>, ApiError> {
    store(&app, &context, &relay).await
}

/// Stores a message of a predecessor's relay. Several such relays may share a secret.
#[utoipa::path(post, path = LEGACY_MESSAGE_ROUTE, tag = "predecessor")]
async fn edge_message(
    State(app): State<Arc<App>>,
    context: Context,
    relay: FromRelay<EdgeRequest>,
) -> Result<Json<Answer>, ApiError> {
    store(&app, &context, &relay).await
}

/// Stores a message that came by either route, and answers whether it is new.
async fn store<R>(
    app: &App,
    context: &Context,
    FromRelay { caller, body, .. }: &FromRelay<R>,
) -> Result<Json<Answer>, ApiError> {
    app.services
        .relays
        .note_signature(caller, app.services.clock.now())
        .await?;
    crash_point("before_store");
    let now = app.services.clock.now();
    let services = &app.services;
    let received = receive(
        &services.store,
        &services.pepper,
        &services.turns,
        caller,
        body,
        now,
    )
    .await?;
    let (status, id) = match received.stored {
        Stored::Accepted(id) => {
            crash_point("stored");
            (AnswerStatus::Accepted, id)
        }
        Stored::Duplicate(id) => (AnswerStatus::Duplicate, id),
        Stored::OwnSend(id) => {
            metrics::counter!("own_sends_posted_total").increment(1);
            (AnswerStatus::Duplicate, id)
        }
        Stored::Conflict(id) => {
            return Err(ApiError::IdConflict {
                message_id: id.to_string(),
            });
        }
        Stored::Replayed => return Err(refuse_replayed(app, context)),
    };
    tracing::info!(
        relay = received.relay.as_str(),
        message_id = %id,
        event = received.event.as_str(),
        status = status.as_str(),
        "message taken"
    );
    Ok(Json::of(&Answer {
        status,
        message_id: id.to_string(),
        // Replies go by commands.
        should_respond: false,
        reply_text: None,
        reply_bubbles: Vec::new(),
        reflex_message: None,
        burst_messages: Vec::new(),
        burst_delay_ms: None,
        cancel_replies: received.is_takeover,
        version: VERSION.to_owned(),
        environment: app.services.environment.into_str().to_owned(),
    }))
}
