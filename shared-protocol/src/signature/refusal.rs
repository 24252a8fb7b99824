//! The reasons for which a signature is refused.

use crate::SignatureReason;

/// Why a signature was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefusal {
    /// A header is missing, doubled or malformed.
    #[error("a webhook header is missing or malformed")]
    Malformed,
    /// The id is for another purpose.
    #[error("the webhook-id is of another purpose")]
    WrongPurpose,
    /// The timestamp is more than [`super::TOLERANCE_SECS`] off.
    #[error("the timestamp is {skew_secs} s off")]
    Stale {
        /// Timestamp minus the verifier's clock.
        skew_secs: i64,
    },
    /// No key made this signature.
    #[error("the signature does not match")]
    Mismatch,
}

impl From<SignatureRefusal> for SignatureReason {
    fn from(refusal: SignatureRefusal) -> Self {
        match refusal {
            SignatureRefusal::Malformed => Self::MalformedHeader,
            SignatureRefusal::WrongPurpose => Self::WrongPurpose,
            SignatureRefusal::Stale { .. } => Self::StaleTimestamp,
            SignatureRefusal::Mismatch => Self::Mismatch,
        }
    }
}
