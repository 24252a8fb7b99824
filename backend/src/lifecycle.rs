//! Graceful shutdown.
//!
//! The process drains before it exits: readiness fails so that no new traffic arrives, long polls end early, and
//! requests in flight finish. The signal handler and the supervisor start draining, which is never undone.

use tokio_util::sync::CancellationToken;

use crate::request;

#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    draining: CancellationToken,
}

impl Lifecycle {
    pub fn new() -> Self {
        Self::default()
    }

    /// Safe to repeat.
    pub fn start_draining(&self) {
        self.draining.cancel();
    }

    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Waits until draining starts.
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

/// Runs `work` to its end even if the caller is dropped meanwhile. `None` if the process ends first. A panic of
/// `work` continues in the caller.
pub(crate) async fn run_to_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    match request::spawn(work).await {
        Ok(done) => Some(done),
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_shutting_down) => None,
        },
    }
}
