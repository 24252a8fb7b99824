//! What the puller and the dispatcher tell each other, beside the ledger.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::Sends;
use crate::clock::UnixMicros;

/// Connects the puller with those that work on the ledger.
#[derive(Clone, Debug, Default)]
pub struct DispatchLink {
    /// Whether this relay sends texts, or refuses them.
    pub sends: Sends,
    /// To be notified after the ledger got new acks: they interrupt a poll that the backend holds.
    pub new_acks: Arc<Notify>,
    /// Notified after the ledger got new commands, and after a row of chat.db has moved a bubble, so that the next one may
    /// go.
    pub new_commands: Arc<Notify>,
    /// The number of chats whose next text waits for the limits of its line.
    pub limited_chats: Arc<AtomicU64>,
    /// The newest proof that this installation holds the lease of the relay's name; `None` if it does not hold it.
    pub lease: watch::Sender<Option<LeaseProof>>,
}

impl DispatchLink {
    /// Tells both that bubbles have reached other states: the next one may go, and acks are to be sent.
    pub fn notify_moved_bubbles(&self) {
        self.new_acks.notify_one();
        self.new_commands.notify_one();
    }
}

/// A signed answer to a poll. It proves the lease for a while, by both clocks: the wall clock can be set, and on macOS
/// the monotonic clock stands still while the Mac sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseProof {
    /// When the poll was sent. The backend's lease counts from the poll, which the backend may have held for long.
    pub sent: PollTime,
    /// When the answer came, by the wall clock.
    pub answered_at: UnixMicros,
    /// The backend's clock in the answer, Unix seconds. Commands name their times by it.
    pub server_time: i64,
}

/// When a poll was sent, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollTime {
    pub wall: UnixMicros,
    pub uptime: Instant,
}

impl LeaseProof {
    /// Whether the poll was sent less than `lasting` before `now`, by both clocks.
    pub fn holds(&self, now: UnixMicros, lasting: Duration) -> bool {
        let PollTime { wall, uptime } = self.sent;
        wall <= now && now.since(wall) < lasting && uptime.elapsed() < lasting
    }

    /// The backend's time at `now`, Unix seconds.
    pub fn backend_time(&self, now: UnixMicros) -> i64 {
        let since = now.as_secs().saturating_sub(self.answered_at.as_secs());
        self.server_time.saturating_add(since)
    }
}
