//! Verification of the backend's answers.

use super::verify::parse_signature;
use super::{SignatureHeaders, SignatureRefusal, SigningKey, WebhookId};

/// Why an answer does not count as the backend's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefusal {
    /// The answer has no signature; a proxy or a captive portal may have sent it.
    #[error("the answer is not signed")]
    Unsigned,
    /// The answer belongs to another request.
    #[error("the answer belongs to another request")]
    OtherRequest,
    /// The signature is not valid.
    #[error("the answer's signature does not hold: {0}")]
    Signature(SignatureRefusal),
}

/// Verifies that an answer with this raw `body` comes from the holder of `key` and belongs to the request with the
/// id `request_id`. `now` is in Unix seconds.
pub fn verify_answer(
    key: &SigningKey,
    request_id: &WebhookId,
    headers: SignatureHeaders<'_>,
    body: &[u8],
    now: i64,
) -> Result<(), AnswerRefusal> {
    if headers.id.is_none() && headers.signature.is_none() {
        return Err(AnswerRefusal::Unsigned);
    }
    let expected = request_id.answer();
    if headers.id != Some(expected.as_str().as_bytes()) {
        return Err(AnswerRefusal::OtherRequest);
    }
    let (timestamp, signatures) =
        parse_signature(headers, now).map_err(AnswerRefusal::Signature)?;
    if key.matches_any(&signatures, &expected, timestamp, body) {
        Ok(())
    } else {
        Err(AnswerRefusal::Signature(SignatureRefusal::Mismatch))
    }
}
