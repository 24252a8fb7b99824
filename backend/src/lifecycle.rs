//! Going down without losing a request.
//!
//! Draining starts once and never ends: readiness fails so that no new traffic is sent here, long
//! polls end early, requests in flight finish. Whoever holds a [`Lifecycle`] may look or wait; only
//! the signal handler starts it.

use tokio_util::sync::CancellationToken;

/// Whether the process is going down.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    draining: CancellationToken,
}

impl Lifecycle {
    /// A process that is up.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to go down; repeating it is harmless.
    pub fn start_draining(&self) {
        self.draining.cancel();
    }

    /// Whether it is going down.
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until it goes down.
    pub async fn draining(&self) {
        self.draining.cancelled().await;
    }
}

/// Waits for SIGTERM or SIGINT.
pub(crate) async fn termination_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
