//! `GET /user/export`: everything, as one JSON document that is sent as it is read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body_util::channel::{Channel, Sender};
use utoipa::ToSchema;
use utoipa::openapi::path::Operation;

use super::reader;
use crate::audit::{Event, EventKind, record};
use crate::clock::Timestamp;
use crate::http::App;
use crate::http::answer::Json;
use crate::http::api_error::ApiError;
use crate::http::callers::SteppedUp;
use crate::http::route::{Answers, Route, Schemas, route};
use crate::people::Export;
use crate::request;
use crate::store::StoreError;

/// Pieces that may wait for a slow reader.
const PIECES_AHEAD: usize = 1;

pub(super) fn routes() -> Vec<Route> {
    vec![route!(export)]
}

/// Everything that is kept of the person. Later versions tell more.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the export writes piece by piece")]
struct ExportDocument {
    exported_at: Timestamp,
    #[schema(value_type = Object)]
    user: (),
    #[schema(value_type = Vec<Object>)]
    messages: (),
}

/// A document that is sent as it is read.
struct Download(Body);

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "application/json"),
            (CACHE_CONTROL, "no-store"),
            (CONTENT_DISPOSITION, "attachment; filename=\"archety.json\""),
        ];
        (headers, self.0).into_response()
    }
}

impl Answers for Download {
    fn describe(operation: &mut Operation, schemas: &mut Schemas) {
        <Json<ExportDocument>>::describe(operation, schemas);
    }
}

/// Everything that is kept of the person, as one JSON document.
#[utoipa::path(get, path = "/user/export", tag = "user")]
async fn export(
    State(app): State<Arc<App>>,
    SteppedUp(signed_in): SteppedUp,
) -> Result<Download, ApiError> {
    let now = app.services.clock.now();
    let export = Export::begin(&app.services.store, reader(&signed_in), now).await?;
    let export = export.ok_or(ApiError::SignedOut)?;
    let event = Event::new(EventKind::Export, "begun")
        .of(signed_in.session.user_id)
        .in_session(signed_in.session.id);
    record(&app.services.store, event, now).await;
    let (sender, body) = Channel::<Bytes, StoreError>::new(PIECES_AHEAD);
    request::spawn(send(export, sender));
    Ok(Download(Body::new(body)))
}

/// A document that cannot be finished is broken off, which its reader notices. One whose reader has gone
/// is not read on.
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
