//! Standard Webhooks v1 signatures over raw bytes.
//!
//! The signed text is `{id}.{timestamp}.{body}`, which any Standard Webhooks library verifies. It contains
//! neither the method nor the path of a request, so the id names the purpose of the request ([`Purpose`]), and
//! a route refuses ids of other purposes. The backend's store remembers which pairs of id and timestamp were
//! seen, because several replicas share it.

mod answer;
mod id;
mod key;
mod refusal;
mod secrets;
mod verify;

pub use answer::{AnswerRefusal, verify_answer};
pub use id::{Purpose, WebhookId};
pub use key::{InvalidKey, MIN_KEY_BYTES, SigningKey};
pub use refusal::SignatureRefusal;
pub use secrets::{InvalidSecrets, RelaySecret, RelaySecrets};
pub use verify::{SignatureClaim, SignatureHeaders, TOLERANCE_SECS, VerifiedRequest, verify};

/// Header with the id of a request or answer.
pub const HEADER_ID: &str = "webhook-id";
/// Header with the time of signing, Unix seconds.
pub const HEADER_TIMESTAMP: &str = "webhook-timestamp";
/// Header with the space-separated signatures, `v1,<base64>` each.
pub const HEADER_SIGNATURE: &str = "webhook-signature";
