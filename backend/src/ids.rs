//! Ids that the backend makes: rows (UUID version 7, so that indexes grow at one end) and requests.

use std::sync::Arc;

use uuid::fmt::Simple;
use uuid::{NoContext, Uuid};

use crate::clock::Timestamp;

/// A new row id, ordered by time.
pub(crate) fn row_id(now: Timestamp) -> Uuid {
    let micros = u64::try_from(now.as_micros()).unwrap_or(0);
    let subsec_nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(
        NoContext,
        micros / 1_000_000,
        subsec_nanos,
    ))
}

/// Names one request in logs and problem bodies.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    const MAX_LEN: usize = 64;

    /// The caller's own id if it has a form that is safe to log, so that a trace can span both sides. It
    /// is kept beside ours: callers may use one id for many requests.
    pub(crate) fn accept(header: Option<&[u8]>) -> Option<Self> {
        let text = std::str::from_utf8(header?).ok()?;
        let clean = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        ((1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(clean))
            .then(|| Self(text.into()))
    }

    /// A new one.
    pub(crate) fn new(now: Timestamp) -> Self {
        let mut text = [0; Simple::LENGTH];
        Self(Arc::from(&*row_id(now).simple().encode_lower(&mut text)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new id that tells nothing: neither when it was made nor what comes next.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that makes random ids"
)]
pub(crate) fn random_id() -> Uuid {
    Uuid::new_v4()
}

/// Random bytes, fit for keys.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes);
    bytes
}
