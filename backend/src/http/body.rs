//! Reading a body: as raw bytes, within a size and a time, before anything is made of it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::api_error::ApiError;

/// The whole body, if it arrives in time and is at most `limit` bytes.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    timeout: Duration,
) -> Result<Bytes, ApiError> {
    if announces_more(headers, limit) {
        return Err(ApiError::BodyTooLarge { limit });
    }
    let collected = tokio::time::timeout(timeout, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge { limit }),
        Ok(Err(_)) => Err(ApiError::BrokenBody),
        Err(_) => Err(ApiError::RequestTimeout),
    }
}

/// Lets a body go by without keeping it. A client that is still sending when the connection closes may
/// never see the answer that tells it why.
pub(super) async fn pass_over(headers: &HeaderMap, body: Body, limit: usize, timeout: Duration) {
    if announces_more(headers, limit) {
        return;
    }
    let mut body = Limited::new(body, limit);
    let passing = async { while let Some(Ok(_)) = body.frame().await {} };
    // Whoever takes longer, or sends more, is answered all the same.
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
