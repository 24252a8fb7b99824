//! Standard Webhooks v1 signatures over raw bytes.
//!
//! Signed is `{id}.{timestamp}.{body}`; any off-the-shelf library verifies it. The scheme covers
//! neither method nor path, so the id names what a request is for ([`Purpose`]) and is refused
//! anywhere else. `now` is always an argument. Remembering which (id, timestamp) pairs were seen is
//! left to the backend's store: no process can know alone.

mod answer;
mod id;
mod key;
mod secrets;
mod verify;

pub use answer::{AnswerRefusal, verify_answer};
pub use id::{InvalidWebhookId, Purpose, WebhookId};
pub use key::{InvalidKey, MIN_KEY_BYTES, SigningKey};
pub use secrets::{InvalidSecrets, RelaySecret, RelaySecrets};
pub use verify::{Refusal, SignatureClaim, SignatureHeaders, TOLERANCE_SECS, Verified, verify};

/// Header with the id of a request or answer.
pub const HEADER_ID: &str = "webhook-id";
/// Header with the time of signing, Unix seconds.
pub const HEADER_TIMESTAMP: &str = "webhook-timestamp";
/// Header with the space-separated signatures, `v1,<base64>` each.
pub const HEADER_SIGNATURE: &str = "webhook-signature";
