//! How the reading thread stands, written down for `status` whenever it changes.

use std::sync::Arc;
use std::time::Duration;

use crate::pipeline::PipelineHealth;
use crate::state::{State, meta};

const LOOK: Duration = Duration::from_secs(2);

/// Follows the thread's health for as long as the relay runs.
pub(super) async fn follow(state: Arc<State>, health: Arc<PipelineHealth>) {
    let mut written = None;
    loop {
        let trouble = health.trouble().unwrap_or_default();
        if written != Some(trouble) {
            let at = Arc::clone(&state);
            let writing = move || at.write(|tx| meta::set(tx, meta::READING, trouble));
            if matches!(tokio::task::spawn_blocking(writing).await, Ok(Ok(()))) {
                written = Some(trouble);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
