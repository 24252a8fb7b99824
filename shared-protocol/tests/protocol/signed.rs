//! A signed request or answer whose parts tests can replace.

use shared_protocol::{Purpose, RelaySecrets, SignatureHeaders, SigningKey, WebhookId};

/// The time of all signatures, Unix seconds.
pub(crate) const NOW: i64 = 1_700_000_000;
pub(crate) const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(crate) const OTHER_SECRET: &str =
    "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
pub(crate) const BODY: &[u8] = br#"{"chat_guid":"test-123"}"#;

/// Headers and body of a signed request or answer.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) id: Vec<u8>,
    pub(crate) timestamp: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Signed {
    /// Signed with `secret`. `timestamp` is in Unix seconds.
    pub(crate) fn by(secret: &str, id: &WebhookId, timestamp: i64, body: &[u8]) -> Self {
        Self {
            id: id.as_str().into(),
            timestamp: timestamp.to_string().into(),
            signature: key(secret).sign(id, timestamp, body).into(),
            body: body.to_vec(),
        }
    }

    /// A valid request to a message route.
    pub(crate) fn request() -> Self {
        Self::by(SECRET, &message_id("msg_1"), NOW, BODY)
    }

    pub(crate) fn headers(&self) -> SignatureHeaders<'_> {
        SignatureHeaders {
            id: Some(&self.id),
            timestamp: Some(&self.timestamp),
            signature: Some(&self.signature),
        }
    }
}

pub(crate) fn key(secret: &str) -> SigningKey {
    SigningKey::parse(secret).expect("a good secret")
}

pub(crate) fn secrets(list: &str) -> RelaySecrets {
    RelaySecrets::parse(list).expect("good secrets")
}

pub(crate) fn message_id(id: &str) -> WebhookId {
    WebhookId::parse(id, Purpose::Message).expect("a good id")
}
