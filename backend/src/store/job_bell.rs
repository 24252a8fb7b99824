//! Tells workers that a job was written: once its transaction is committed, by any process.
//!
//! On Postgres the statement that writes a job notifies, and a connection beside the pool listens. On SQLite,
//! which one process serves, the transaction tells the bell itself. What is told may get lost, with a
//! connection or where a command writes to SQLite beside the server: workers also look by themselves.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;

use super::postgres::Server;
use super::{OpenError, Store};

/// As the statement that writes a job spells it.
const CHANNEL: &str = "archety_jobs";
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A connection that has been silent for so long may have died without a word.
const SILENT_FOR: Duration = Duration::from_mins(5);

/// Rung when there may be a job.
#[derive(Clone, Debug, Default)]
pub struct JobBell(Arc<watch::Sender<()>>);

impl JobBell {
    pub(super) fn ring(&self) {
        self.0.send_replace(());
    }
}

impl Store {
    /// Changes whenever a job may have been written.
    pub fn job_bell(&self) -> watch::Receiver<()> {
        self.job_bell.0.subscribe()
    }

    /// Listens for jobs that any process writes, for ever.
    pub async fn hear_of_jobs(&self) {
        let Some(server) = &self.listens_at else {
            return std::future::pending().await;
        };
        loop {
            if let Err(error) = listen(server, &self.job_bell).await {
                tracing::warn!(error = %error, "nothing tells of new jobs; they are found a little later");
            }
            tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
        }
    }
}

/// Until the connection is lost, or silent for long.
async fn listen(server: &Server, bell: &JobBell) -> Result<(), OpenError> {
    let pool = server.pool(1).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    // For what was written while there was no listener.
    bell.ring();
    while let Ok(heard) = tokio::time::timeout(SILENT_FOR, listener.try_recv()).await {
        if heard?.is_none() {
            return Ok(());
        }
        bell.ring();
    }
    Ok(())
}
