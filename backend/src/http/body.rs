//! Reads a body as raw bytes, within limits of size, time and the memory budget of its network.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use shared_protocol::ProblemCode;

use super::App;
use super::api_error::ApiError;
use super::body_budget::Charge;
use super::context::Context;

/// The problems that reading a JSON body may cause.
pub(super) const BODY_PROBLEMS: &[ProblemCode] = &[
    ProblemCode::BodyTooLarge,
    ProblemCode::InvalidFields,
    ProblemCode::MalformedJson,
    ProblemCode::Overloaded,
    ProblemCode::RequestTimeout,
    ProblemCode::UnsupportedMediaType,
];

/// Reads a body of at most `limit` bytes. Until the charge is dropped, the bytes count against the memory budget of the
/// client's network.
pub(super) async fn read(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<(Bytes, Charge), ApiError> {
    if announces_more(headers, limit) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let mut charge = app
        .clients
        .bodies
        .begin_charge(context.client, app.services.clock.now());
    let collecting = collect(Limited::new(body, limit), limit, &mut charge);
    let bytes = tokio::time::timeout(app.clients.body_timeout, collecting)
        .await
        .unwrap_or(Err(ApiError::RequestTimeout))?;
    Ok((bytes, charge))
}

/// Reads the frames of a body into one piece of memory, and adds their bytes to the charge.
async fn collect(
    mut body: Limited<Body>,
    limit: usize,
    charge: &mut Charge,
) -> Result<Bytes, ApiError> {
    let mut only_frame = Bytes::new();
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                ApiError::BodyTooLarge { limit }
            } else {
                ApiError::BrokenBody
            }
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        charge.grow(data.len()).map_err(|_| ApiError::Overloaded)?;
        // Most bodies come in one frame, which is not copied.
        if only_frame.is_empty() && collected.is_empty() {
            only_frame = data;
            continue;
        }
        collected.extend_from_slice(&std::mem::take(&mut only_frame));
        collected.extend_from_slice(&data);
    }
    Ok(if collected.is_empty() {
        only_frame
    } else {
        collected.freeze()
    })
}

/// Reads and drops the body of a refused request, because a client that is still sending when the connection closes may
/// never see the answer. Reads nothing if the client announces more than `limit` bytes, or if it waits for
/// `100 Continue` and so gets the answer before it sends.
pub(super) async fn discard(headers: &HeaderMap, body: Body, limit: usize, timeout: Duration) {
    if announces_more(headers, limit) || headers.contains_key(EXPECT) {
        return;
    }
    let mut body = Limited::new(body, limit);
    let reading = async { while let Some(Ok(_)) = body.frame().await {} };
    // The result does not matter: the client gets its answer after the time limit or the size limit, too.
    let _ = tokio::time::timeout(timeout, reading).await;
}

/// Whether `Content-Length` is above the limit. Such a body is refused without reading it.
fn announces_more(headers: &HeaderMap, limit: usize) -> bool {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .is_some_and(|length| length > limit)
}

/// Checks that the headers announce uncompressed JSON. The bodies of relays are checked after the relay has proven
/// itself, so that the refusal is signed.
pub(super) fn expect_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(ApiError::UnsupportedMediaType(
            "the body must not be compressed; send it without Content-Encoding",
        ));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = match (types.next(), types.next()) {
        (Some(value), None) => value.to_str().ok().and_then(|text| text.split(';').next()),
        _ => None,
    };
    if essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        Ok(())
    } else {
        Err(ApiError::UnsupportedMediaType(
            "Content-Type must be application/json",
        ))
    }
}
