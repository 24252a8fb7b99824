//! Going down without losing a request.
//!
//! Draining starts once and never ends: readiness fails so that no new traffic is sent here, long
//! polls end early, requests in flight finish. Only the signal handler and the supervisor start it.

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Whether the process is going down.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    draining: CancellationToken,
}

impl Lifecycle {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to go down; repeating it is harmless.
    pub fn start_draining(&self) {
        self.draining.cancel();
    }

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

/// Does `work` to its end even if the caller goes away meanwhile. `None` if the process ends first. A panic in
/// it is the caller's.
pub(crate) async fn run_to_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => Some(done),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_shutting_down) => None,
        },
    }
}
