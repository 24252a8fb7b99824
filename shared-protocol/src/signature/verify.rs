//! Verification of a signed request.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{InvalidWebhookId, Purpose, RelaySecret, RelaySecrets, WebhookId};
use crate::SignatureReason;

/// How far a timestamp may lie from `now`, in seconds, either way.
pub const TOLERANCE_SECS: i64 = 300;

/// More signatures than this are refused: a rotation needs two, and each one costs a comparison.
const MAX_SIGNATURES: usize = 4;
const MAX_SIGNATURE_HEADER: usize = 512;

/// The three headers as they came in. `None` stands for a header that is missing or came twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignatureHeaders<'a> {
    /// `webhook-id`
    pub id: Option<&'a [u8]>,
    /// `webhook-timestamp`
    pub timestamp: Option<&'a [u8]>,
    /// `webhook-signature`
    pub signature: Option<&'a [u8]>,
}

/// A request whose signature holds.
#[derive(Debug)]
pub struct Verified {
    /// The id it was signed under.
    pub id: WebhookId,
    /// When it was signed, Unix seconds. With `id` it must not have been seen before.
    pub timestamp: i64,
    /// The secret that signed it, which says who sent it and signs the answer.
    pub secret: Arc<RelaySecret>,
}

/// Why a signature was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header is missing, doubled or malformed.
    #[error("a webhook header is missing or malformed")]
    Malformed,
    /// The id was made for another kind of request.
    #[error("the webhook-id is of another purpose")]
    WrongPurpose,
    /// The timestamp is more than [`TOLERANCE_SECS`] off.
    #[error("the timestamp is {skew_secs} s off")]
    Stale {
        /// Timestamp minus the verifier's clock.
        skew_secs: i64,
    },
    /// No key made this signature.
    #[error("the signature does not match")]
    Mismatch,
}

impl From<Refusal> for SignatureReason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => Self::MalformedHeader,
            Refusal::WrongPurpose => Self::WrongPurpose,
            Refusal::Stale { .. } => Self::StaleTimestamp,
            Refusal::Mismatch => Self::Mismatch,
        }
    }
}

impl From<InvalidWebhookId> for Refusal {
    fn from(fault: InvalidWebhookId) -> Self {
        match fault {
            InvalidWebhookId::Malformed => Self::Malformed,
            InvalidWebhookId::WrongPurpose => Self::WrongPurpose,
        }
    }
}

/// Verifies a request's signature over its raw `body`, at `now` in Unix seconds.
///
/// The caller bounds the body's size first, and refuses a pair of id and timestamp that any replica
/// has seen before afterwards.
pub fn verify(
    secrets: &RelaySecrets,
    purpose: Purpose,
    headers: SignatureHeaders<'_>,
    body: &[u8],
    now: i64,
) -> Result<Verified, Refusal> {
    SignatureClaim::parse(purpose, headers, now)?.verify(secrets, body)
}

/// Headers that are in order and in time. Whether the signature holds, only the body can tell.
#[derive(Debug)]
pub struct SignatureClaim {
    id: WebhookId,
    timestamp: i64,
    signatures: Vec<Vec<u8>>,
}

impl SignatureClaim {
    /// Reads the headers, at `now` in Unix seconds. What fails here fails with any body.
    pub fn parse(
        purpose: Purpose,
        headers: SignatureHeaders<'_>,
        now: i64,
    ) -> Result<Self, Refusal> {
        let id = WebhookId::parse(text(headers.id)?, purpose)?;
        let (timestamp, signatures) = parse_signature(headers, now)?;
        Ok(Self {
            id,
            timestamp,
            signatures,
        })
    }

    /// Verifies the signature over the raw `body`.
    pub fn verify(self, secrets: &RelaySecrets, body: &[u8]) -> Result<Verified, Refusal> {
        // Every key and every signature is tried, so that timing does not tell which one fits.
        let mut signer = None;
        for secret in secrets {
            let key = secret.key();
            if key.made_one_of(&self.signatures, &self.id, self.timestamp, body) {
                signer = Some(secret);
            }
        }
        Ok(Verified {
            id: self.id,
            timestamp: self.timestamp,
            secret: signer.cloned().ok_or(Refusal::Mismatch)?,
        })
    }
}

/// Reads timestamp and signatures and checks the timestamp against `now`.
pub(super) fn parse_signature(
    headers: SignatureHeaders<'_>,
    now: i64,
) -> Result<(i64, Vec<Vec<u8>>), Refusal> {
    let timestamp = parse_timestamp(text(headers.timestamp)?).ok_or(Refusal::Malformed)?;
    let header = text(headers.signature)?;
    if header.len() > MAX_SIGNATURE_HEADER {
        return Err(Refusal::Malformed);
    }
    let tokens: Vec<&str> = header.split(' ').collect();
    if tokens.len() > MAX_SIGNATURES {
        return Err(Refusal::Malformed);
    }
    let mut signatures = Vec::new();
    for token in tokens {
        let (version, encoded) = token.split_once(',').ok_or(Refusal::Malformed)?;
        if version == "v1" {
            signatures.push(STANDARD.decode(encoded).map_err(|_| Refusal::Malformed)?);
        }
    }
    if signatures.is_empty() {
        return Err(Refusal::Malformed);
    }
    let skew_secs = timestamp.saturating_sub(now);
    if skew_secs.abs() > TOLERANCE_SECS {
        return Err(Refusal::Stale { skew_secs });
    }
    Ok((timestamp, signatures))
}

/// Decimal digits without sign, leading zero or space: the one spelling of each number, so that the
/// text that was signed can be rebuilt from the number.
fn parse_timestamp(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    (digits && !(text.len() > 1 && text.starts_with('0'))).then(|| text.parse().ok())?
}

fn text(header: Option<&[u8]>) -> Result<&str, Refusal> {
    let bytes = header.ok_or(Refusal::Malformed)?;
    std::str::from_utf8(bytes).map_err(|_| Refusal::Malformed)
}
