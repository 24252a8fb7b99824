//! Reading a body: as raw bytes, within a size, a time and the budget of its network, before anything is
//! made of it.

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

/// How a body of JSON may fail to be one.
pub(super) const OF_A_BODY: &[ProblemCode] = &[
    ProblemCode::BodyTooLarge,
    ProblemCode::InvalidFields,
    ProblemCode::MalformedJson,
    ProblemCode::Overloaded,
    ProblemCode::RequestTimeout,
    ProblemCode::UnsupportedMediaType,
];

/// A body that arrived whole. It counts against the budget of its network until this is dropped.
pub(super) struct ReadBody {
    pub(super) bytes: Bytes,
    _charge: Charge,
}

/// The whole body, if it arrives in time and is at most `limit` bytes.
pub(super) async fn read(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<ReadBody, ApiError> {
    if announces_more(headers, limit) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let mut charge = app
        .clients
        .bodies
        .charge(context.client, app.services.clock.now());
    let collecting = collect(Limited::new(body, limit), limit, &mut charge);
    let bytes = tokio::time::timeout(app.clients.body_timeout, collecting)
        .await
        .unwrap_or(Err(ApiError::RequestTimeout))?;
    Ok(ReadBody {
        bytes,
        _charge: charge,
    })
}

impl ReadBody {
    /// The bytes alone; from here on they count against nothing.
    pub(super) fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

async fn collect(
    mut body: Limited<Body>,
    limit: usize,
    charge: &mut Charge,
) -> Result<Bytes, ApiError> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
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
        // Most bodies come in one piece, which need not be copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// Lets a body go by without keeping it. A client that is still sending when the connection closes may
/// never see the answer that tells it why. One that asks first is told before it sends.
pub(super) async fn pass_over(headers: &HeaderMap, body: Body, limit: usize, timeout: Duration) {
    if announces_more(headers, limit) || headers.contains_key(EXPECT) {
        return;
    }
    let mut body = Limited::new(body, limit);
    let passing = async { while let Some(Ok(_)) = body.frame().await {} };
    // A client that takes longer, or sends more, is answered all the same.
    let _ = tokio::time::timeout(timeout, passing).await;
}

/// Whether a body is known to be too large before it is sent, so that nothing is sent in vain.
fn announces_more(headers: &HeaderMap, limit: usize) -> bool {
    headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .is_some_and(|length| length > limit)
}

/// Refuses what is not uncompressed JSON. Asked only once the sender is known, so that the refusal can
/// be signed.
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
