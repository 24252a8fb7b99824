//! `GET /auth/sessions`, `DELETE /auth/sessions/{id}`: where a person is signed in.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::http::App;
use crate::http::access::SignedIn;
use crate::http::answer::json;
use crate::http::api_error::ApiError;
use crate::http::context::Context;

#[derive(Serialize)]
struct Sessions {
    sessions: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    id: String,
    current: bool,
    transport: String,
    device: Option<String>,
    created_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
}

pub(in crate::http) async fn list_sessions(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
) -> Result<Response, ApiError> {
    let own = &signed_in.session;
    let found = app.sessions.list(own, app.clock.now()).await?;
    let sessions = found
        .into_iter()
        .map(|session| Item {
            current: session.id == own.id,
            id: session.id.to_string(),
            transport: session.transport,
            device: session.device,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        })
        .collect();
    Ok(json(StatusCode::OK, &Sessions { sessions }))
}

/// A session of another person answers 404, as an unknown one does.
pub(in crate::http) async fn delete_session(
    State(app): State<Arc<App>>,
    context: Context,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let id = Uuid::try_parse(&id).map_err(|_| ApiError::SessionNotFound)?;
    let request_id = context.request_id.as_str();
    let now = app.clock.now();
    let ended = app
        .sessions
        .end_one(&signed_in.session, id, request_id, now)
        .await?;
    if ended {
        Ok(crate::http::answer::no_content())
    } else {
        Err(ApiError::SessionNotFound)
    }
}
