//! `GET /user/export`: all stored data of the person as one JSON document, which is sent while it is read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body_util::channel::{Channel, Sender};
use utoipa::ToSchema;

use super::reader;
use crate::audit::{Event, EventKind, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::api_error::ApiError;
use crate::http::callers::SteppedUp;
use crate::http::route::{Route, route};
use crate::people::Export;
use crate::request;
use crate::store::StoreError;

/// How many pieces are read ahead of a slow client.
const PIECES_AHEAD: usize = 1;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(export)]
}

/// All stored data of the person. Later versions may have more fields.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "only describes the JSON that `Export` writes piece by piece"
)]
struct ExportDocument {
    exported_at: Timestamp,
    #[schema(value_type = Object)]
    user: (),
    #[schema(value_type = Vec<Object>)]
    messages: (),
}

/// Returns all stored data of the person as one JSON document.
#[utoipa::path(
    get,
    path = "/user/export",
    tag = "user",
    responses((status = 200, description = "OK", body = ExportDocument))
)]
async fn export(
    State(app): State<Arc<App>>,
    SteppedUp(signed_in): SteppedUp,
) -> Result<Response, ApiError> {
    let now = app.services.clock.now();
    let export = Export::begin(&app.services.store, reader(&signed_in), now).await?;
    let export = export.ok_or(ApiError::SignedOut)?;
    let event = Event::new(EventKind::Export, "begun")
        .by_person(signed_in.session.user_id)
        .in_session(signed_in.session.id);
    record(&app.services.store, event, now).await;
    let (sender, body) = Channel::<Bytes, StoreError>::new(PIECES_AHEAD);
    request::spawn(send(export, sender));
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_DISPOSITION, "attachment; filename=\"archety.json\""),
    ];
    Ok((headers, Body::new(body)).into_response())
}

/// Sends the pieces of an export. An error of the store breaks off the answer, which the client notices. After
/// the client has gone, no further piece is read.
async fn send(mut export: Export, mut sender: Sender<Bytes, StoreError>) {
    loop {
        match export.next_piece().await {
            Ok(Some(piece)) => {
                if sender.send_data(piece.into()).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = %error, "an export was broken off");
                sender.abort(error);
                return;
            }
        }
    }
}
