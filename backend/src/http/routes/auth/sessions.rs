//! `GET /auth/sessions`, `DELETE /auth/sessions/{id}`: the live sessions of a person.

use std::sync::Arc;

use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::{Json, NoContent};
use crate::http::api_error::ApiError;
use crate::http::callers::SignedIn;
use crate::http::route::{Route, route};

pub(super) fn routes() -> Vec<Route> {
    vec![
        route!(list_sessions),
        route!(delete_session, SessionNotFound),
    ]
}

#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
struct SessionList {
    sessions: Vec<Item>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SessionItem)]
struct Item {
    id: String,
    current: bool,
    transport: String,
    device: Option<String>,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
}

/// Lists the live sessions of the person.
#[utoipa::path(get, path = "/auth/sessions", tag = "auth")]
async fn list_sessions(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Json<SessionList>, ApiError> {
    let current = &signed_in.session;
    let live_sessions = app
        .services
        .sessions
        .list(current, app.services.clock.now())
        .await?;
    let sessions = live_sessions
        .into_iter()
        .map(|session| Item {
            current: session.id == current.id,
            id: session.id.to_string(),
            transport: session.transport,
            device: session.device,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        })
        .collect();
    Ok(Json::of(&SessionList { sessions }))
}

/// Ends one session of the person.
///
/// The answer for another person's session is 404, as for an unknown session.
#[utoipa::path(
    delete,
    path = "/auth/sessions/{id}",
    tag = "auth",
    params(("id" = Uuid, Path, description = "`id` of a session in `GET /auth/sessions`"))
)]
async fn delete_session(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> Result<NoContent, ApiError> {
    let id = Uuid::try_parse(&id).map_err(|_| ApiError::SessionNotFound)?;
    let now = app.services.clock.now();
    let ended = app
        .services
        .sessions
        .end_one(&signed_in.session, id, now)
        .await?;
    if ended {
        Ok(NoContent)
    } else {
        Err(ApiError::SessionNotFound)
    }
}
