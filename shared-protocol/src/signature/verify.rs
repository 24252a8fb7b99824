//! Verification of a signed request.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Purpose, RelaySecret, RelaySecrets, SignatureRefusal, WebhookId};

/// Largest accepted difference between a timestamp and `now`, in seconds, in either direction.
pub const TOLERANCE_SECS: i64 = 300;

/// Most signatures of a request. Two are needed while a secret is being replaced.
const MAX_SIGNATURES: usize = 4;
/// Longest header of signatures. Four signatures fit, even if all are of the longest kind: `v1a`, 92 bytes.
const MAX_SIGNATURE_HEADER_BYTES: usize = 512;

/// The three headers of a request or answer. `None` stands for a header that is missing or comes twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignatureHeaders<'a> {
    /// `webhook-id`
    pub id: Option<&'a [u8]>,
    /// `webhook-timestamp`
    pub timestamp: Option<&'a [u8]>,
    /// `webhook-signature`
    pub signature: Option<&'a [u8]>,
}

/// A request with a valid signature.
#[derive(Debug)]
pub struct VerifiedRequest {
    /// The id of the request.
    pub id: WebhookId,
    /// When the request was signed, Unix seconds. The caller refuses a pair of `id` and `timestamp` that was
    /// seen before.
    pub timestamp: i64,
    /// The secret that signed the request. It names the relay, and signs the answer.
    pub secret: Arc<RelaySecret>,
}

/// Verifies a request's signature over its raw `body`, at `now` in Unix seconds.
///
/// Before that, the caller limits the size of the body. After it, the caller refuses a pair of id and timestamp
/// that any replica has seen.
pub fn verify(
    secrets: &RelaySecrets,
    purpose: Purpose,
    headers: SignatureHeaders<'_>,
    body: &[u8],
    now: i64,
) -> Result<VerifiedRequest, SignatureRefusal> {
    SignatureClaim::parse(purpose, headers, now)?.verify(secrets, body)
}

/// Headers that are well-formed and in time. Their signature is not verified yet: that needs the body.
#[derive(Debug)]
pub struct SignatureClaim {
    id: WebhookId,
    timestamp: i64,
    signatures: Vec<Vec<u8>>,
}

impl SignatureClaim {
    /// Parses the headers, at `now` in Unix seconds.
    pub fn parse(
        purpose: Purpose,
        headers: SignatureHeaders<'_>,
        now: i64,
    ) -> Result<Self, SignatureRefusal> {
        let id = WebhookId::parse(text(headers.id)?, purpose)?;
        let (timestamp, signatures) = parse_signature(headers, now)?;
        Ok(Self {
            id,
            timestamp,
            signatures,
        })
    }

    /// Verifies the signature over the raw `body`.
    pub fn verify(
        self,
        secrets: &RelaySecrets,
        body: &[u8],
    ) -> Result<VerifiedRequest, SignatureRefusal> {
        // Every secret is tried, so that the time taken does not reveal which one has signed.
        let mut signer = None;
        for secret in secrets {
            let key = secret.key();
            if key.matches_any(&self.signatures, &self.id, self.timestamp, body) {
                signer = Some(secret);
            }
        }
        Ok(VerifiedRequest {
            id: self.id,
            timestamp: self.timestamp,
            secret: signer.cloned().ok_or(SignatureRefusal::Mismatch)?,
        })
    }
}

/// Reads the timestamp, checks it against `now`, and decodes the signatures of version `v1`. Those of other
/// versions are ignored.
pub(super) fn parse_signature(
    headers: SignatureHeaders<'_>,
    now: i64,
) -> Result<(i64, Vec<Vec<u8>>), SignatureRefusal> {
    let timestamp = parse_timestamp(text(headers.timestamp)?).ok_or(SignatureRefusal::Malformed)?;
    let header = text(headers.signature)?;
    if header.len() > MAX_SIGNATURE_HEADER_BYTES {
        return Err(SignatureRefusal::Malformed);
    }
    let tokens: Vec<&str> = header.split(' ').collect();
    if tokens.len() > MAX_SIGNATURES {
        return Err(SignatureRefusal::Malformed);
    }
    let mut signatures = Vec::new();
    for token in tokens {
        let (version, encoded) = token.split_once(',').ok_or(SignatureRefusal::Malformed)?;
        if version == "v1" {
            signatures.push(
                STANDARD
                    .decode(encoded)
                    .map_err(|_| SignatureRefusal::Malformed)?,
            );
        }
    }
    if signatures.is_empty() {
        return Err(SignatureRefusal::Malformed);
    }
    let skew_secs = timestamp.saturating_sub(now);
    if skew_secs.abs() > TOLERANCE_SECS {
        return Err(SignatureRefusal::Stale { skew_secs });
    }
    Ok((timestamp, signatures))
}

/// Accepts at most 12 decimal digits, which always fit an `i64`, without sign, leading zero or space. So each
/// number has one spelling, and the signed text can be built again from the number.
fn parse_timestamp(text: &str) -> Option<i64> {
    let is_number =
        !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    (is_number && !(text.len() > 1 && text.starts_with('0'))).then(|| text.parse().ok())?
}

/// The text of a header. A header that is missing or not UTF-8 is malformed.
fn text(header: Option<&[u8]>) -> Result<&str, SignatureRefusal> {
    let bytes = header.ok_or(SignatureRefusal::Malformed)?;
    std::str::from_utf8(bytes).map_err(|_| SignatureRefusal::Malformed)
}
