//! `POST /relay/commands/pull`: the relay's heartbeat and its long poll for commands.

use std::sync::Arc;

use axum::extract::State;
use shared_protocol::{PULL_ROUTE, PullAnswer, PullRequest};

use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::callers::{FromRelay, refuse_replayed};
use crate::http::context::Context;
use crate::http::route::{Route, route};
use crate::http::{App, VERSION};
use crate::relay::commands::{Pull, PullError, heartbeat, next_commands};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(pull, RelayElsewhere)]
}

/// Takes the relay's heartbeat and acks, and waits for commands.
#[utoipa::path(post, path = PULL_ROUTE, tag = "relay")]
async fn pull(
    State(app): State<Arc<App>>,
    context: Context,
    FromRelay { caller, body, .. }: FromRelay<PullRequest>,
) -> Result<Json<PullAnswer>, ApiError> {
    let pull = Pull::from_json(&body)?;
    app.services
        .relays
        .note_signature(&caller, app.services.clock.now())
        .await?;
    let now = app.services.clock.now();
    let refuse = |error| match error {
        PullError::Replayed => refuse_replayed(&app, &context),
        PullError::Elsewhere => ApiError::RelayElsewhere,
        PullError::Store(error) => error.into(),
    };
    let store = &app.services.store;
    heartbeat(store, &caller, &pull, now)
        .await
        .map_err(refuse)?;
    let next = next_commands(store, &app.lifecycle, &caller, &pull)
        .await
        .map_err(refuse)?;
    let newest_message = store.newest_message(&pull.relay(&caller)).await?;
    Ok(Json::of(&PullAnswer {
        commands: next.commands,
        more: next.more,
        lease: pull.lease(),
        reads_acks: true,
        server_time: app.services.clock.now().as_secs(),
        version: VERSION.to_owned(),
        environment: app.services.environment.into_str().to_owned(),
        newest_message: newest_message.map(Into::into),
    }))
}
