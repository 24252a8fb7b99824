//! `POST /relay/commands/pull`: the relay's heartbeat and long poll.

use std::sync::Arc;

use axum::extract::State;
use shared_protocol::{PULL_ROUTE, PullAnswer};

use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::callers::{FromRelay, Pulls, replayed};
use crate::http::context::Context;
use crate::http::route::{Route, route};
use crate::http::{App, VERSION};
use crate::relay::commands::{Pull, PullError, heartbeat};

pub(super) fn routes() -> Vec<Route> {
    vec![route!(pull, RelayElsewhere)]
}

/// Tells how the relay is doing, and waits for commands.
#[utoipa::path(post, path = PULL_ROUTE, tag = "relay")]
async fn pull(
    State(app): State<Arc<App>>,
    context: Context,
    FromRelay { caller, body, .. }: FromRelay<Pulls>,
) -> Result<Json<PullAnswer>, ApiError> {
    let fault = |error| fault(&app, &context, error);
    let pull = Pull::from_json(&body).map_err(fault)?;
    app.services
        .relays
        .note_signature(&caller, app.services.clock.now())
        .await?;
    let beat = heartbeat(
        &app.services.store,
        &caller,
        &pull,
        app.services.clock.now(),
    );
    beat.await.map_err(fault)?;
    // No command can come up yet; the poll is held so that relays keep one rhythm.
    tokio::select! {
        () = tokio::time::sleep(pull.wait()) => {}
        () = app.lifecycle.draining() => {}
    }
    let newest_message = app
        .services
        .store
        .newest_message(&pull.relay(&caller))
        .await?;
    Ok(Json::of(&PullAnswer {
        commands: Vec::new(),
        server_time: app.services.clock.now().as_secs(),
        version: VERSION.to_owned(),
        environment: app.services.environment.as_str().to_owned(),
        newest_message: newest_message.map(Into::into),
    }))
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
