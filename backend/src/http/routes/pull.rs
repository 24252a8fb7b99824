//! `POST /relay/commands/pull`: the relay's heartbeat and long poll.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use shared_protocol::PullAnswer;

use super::refusal::{refuse, replayed};
use crate::http::answer::{to_relay, unsigned};
use crate::http::api_error::ApiError;
use crate::http::body::{expect_json, pass_over, read};
use crate::http::context::Context;
use crate::http::{App, VERSION};
use crate::pull::{Pull, PullError, heartbeat};
use crate::relay_auth::Caller;

/// A heartbeat and its acks; far below a message.
const MAX_PULL_BYTES: usize = 256 * 1024;

pub(in crate::http) async fn pull(
    State(app): State<Arc<App>>,
    context: Context,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let claim = match app.relays.pull_claim(&headers, app.clock.now()) {
        Ok(claim) => claim,
        Err(error) => {
            pass_over(&headers, body, MAX_PULL_BYTES, app.body_timeout).await;
            return refuse(&app, &context, error);
        }
    };
    let body = match read(&app, &context, &headers, body, MAX_PULL_BYTES).await {
        Ok(body) => body,
        Err(error) => return unsigned(&error, &context, app.clock.now()),
    };
    match app.relays.prove(claim, &body.bytes) {
        Ok(caller) => {
            app.bodies.proved(context.client, app.clock.now());
            // What is known to be a relay's counts no longer as a stranger's.
            let body = body.into_bytes();
            let result = answer(&app, &caller, &context, &headers, &body).await;
            to_relay(&app, &caller, &context, result)
        }
        Err(error) => refuse(&app, &context, error),
    }
}

async fn answer(
    app: &App,
    caller: &Caller<'_>,
    context: &Context,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<PullAnswer, ApiError> {
    expect_json(headers)?;
    let pull = Pull::from_json(body).map_err(|error| fault(app, context, error))?;
    app.relays.note_signature(caller, app.clock.now()).await?;
    heartbeat(&app.store, caller, &pull, app.clock.now())
        .await
        .map_err(|error| fault(app, context, error))?;
    // No command can come up yet; the poll is held so that relays keep one rhythm.
    tokio::select! {
        () = tokio::time::sleep(pull.wait()) => {}
        () = app.lifecycle.draining() => {}
    }
    let newest_message = app.store.newest_message(&pull.relay(caller)).await?;
    Ok(PullAnswer {
        commands: Vec::new(),
        server_time: app.clock.now().as_secs(),
        version: VERSION.to_owned(),
        environment: app.environment.as_str().to_owned(),
        newest_message: newest_message.map(Into::into),
    })
}

fn fault(app: &App, context: &Context, error: PullError) -> ApiError {
    match error {
        PullError::Json(fault) => ApiError::MalformedJson(fault),
        PullError::Fields(violations) => ApiError::InvalidFields(violations),
        PullError::Replayed => replayed(app, context),
        PullError::Elsewhere => ApiError::RelayElsewhere,
        PullError::Store(error) => error.into(),
    }
}
