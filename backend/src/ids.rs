//! Ids of rows and requests, and random bytes.

use std::sync::Arc;

use uuid::fmt::Simple;
use uuid::{NoContext, Uuid};

use crate::clock::Timestamp;

/// A new row id: a UUID version 7, which is ordered by time, so that new index entries go to the end of an index.
pub(crate) fn row_id(now: Timestamp) -> Uuid {
    let micros = u64::try_from(now.as_micros()).unwrap_or(0);
    let subsec_nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(
        NoContext,
        micros / 1_000_000,
        subsec_nanos,
    ))
}

/// The id of one HTTP request in logs and problem bodies.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    const MAX_LEN: usize = 64;

    /// Parses the id that a client sent in a header. `None` if the id is not safe to log. Logs have the client's id
    /// besides the backend's own, because a client may use one id for many requests.
    pub(crate) fn from_header(header: Option<&[u8]>) -> Option<Self> {
        let text = std::str::from_utf8(header?).ok()?;
        let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        ((1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(is_safe))
            .then(|| Self(text.into()))
    }

    pub(crate) fn new(now: Timestamp) -> Self {
        let mut text = [0; Simple::LENGTH];
        Self(Arc::from(&*row_id(now).simple().encode_lower(&mut text)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new random id, from which neither its time nor other ids can be guessed.
#[expect(
    clippy::disallowed_methods,
    reason = "no other function makes random ids"
)]
pub(crate) fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// Cryptographically secure random bytes.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}
