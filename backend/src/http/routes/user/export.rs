//! `GET /user/export`: everything, as one JSON document that is sent as it is read.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body_util::channel::{Channel, Sender};

use super::reader;
use crate::audit::{Event, EventKind, record};
use crate::http::App;
use crate::http::access::SteppedUp;
use crate::http::api_error::ApiError;
use crate::http::context::Context;
use crate::people::Export;
use crate::store::StoreError;

/// Pieces that may wait for a slow reader.
const PIECES_AHEAD: usize = 1;

pub(in crate::http) async fn export(
    State(app): State<Arc<App>>,
    context: Context,
    SteppedUp(signed_in): SteppedUp,
) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let export = Export::begin(&app.store, reader(&signed_in), now).await?;
    let export = export.ok_or(ApiError::SignedOut)?;
    let event = Event::new(EventKind::Export, "begun")
        .of(signed_in.session.user_id)
        .in_session(signed_in.session.id)
        .by_request(context.request_id.as_str());
    record(&app.store, event, now).await;
    let (sender, body) = Channel::<Bytes, StoreError>::new(PIECES_AHEAD);
    tokio::spawn(send(export, sender, context));
    let mut response = Response::new(Body::new(body));
    for (name, value) in [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_DISPOSITION, "attachment; filename=\"archety.json\""),
    ] {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// A document that cannot be finished is broken off, which its reader notices. One whose reader has gone
/// is not read on.
async fn send(mut export: Export, mut sender: Sender<Bytes, StoreError>, context: Context) {
    loop {
        match export.next_piece().await {
            Ok(Some(piece)) => {
                if sender.send_data(piece.into()).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                let request_id = context.request_id.as_str();
                tracing::warn!(request_id, error = %error, "an export was broken off");
                sender.abort(error);
                return;
            }
        }
    }
}
