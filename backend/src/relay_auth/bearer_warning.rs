//! The reminder that a relay still shows its secret instead of signing.
//!
//! Every such request is counted; the log says so once a minute, so that it is seen and nothing else
//! is drowned by it.

use std::sync::atomic::{AtomicI64, Ordering};

use shared_protocol::RelayName;

use crate::clock::Timestamp;

const EVERY_SECS: i64 = 60;

#[derive(Default)]
pub(super) struct BearerWarning {
    /// Unix seconds of the last reminder.
    last: AtomicI64,
}

impl BearerWarning {
    pub(super) fn warn(&self, relay: &RelayName, now: Timestamp) {
        let now = now.as_secs();
        let last = self.last.load(Ordering::Relaxed);
        let due = now.saturating_sub(last) >= EVERY_SECS;
        // Of several requests at once only the one that moves the mark speaks.
        if due
            && self
                .last
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            tracing::warn!(
                relay = relay.as_str(),
                "a relay proves itself by bearer secret; let it sign (auth = hmac), then set RELAY_AUTH=hmac"
            );
        }
    }
}
