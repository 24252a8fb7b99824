//! Wakes the workers that do jobs once any process has committed a new job.
//!
//! On Postgres the statement that writes a job sends a notification, and one connection outside of the pools
//! listens for it. The same connection listens for commands. On SQLite the committed transaction notifies within the process. A notification can get lost: when
//! a connection breaks, or when a command writes to the SQLite file while the server runs. Workers therefore also
//! look for jobs at intervals.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;

use super::command_signal;
use super::postgres::Server;
use super::{OpenError, Store};

/// The channel that the statement which writes a job notifies.
const CHANNEL: &str = "archety_jobs";
/// The pause after a connection that listened was lost or replaced.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// A connection without notifications for so long is replaced, since the server may be gone.
const MAX_SILENCE: Duration = Duration::from_mins(5);

/// Changes whenever a job may have been written.
#[derive(Clone, Debug, Default)]
pub struct JobSignal(Arc<watch::Sender<()>>);

impl JobSignal {
    /// Tells every receiver of [`Store::job_signal`] that a job may have been written.
    pub(super) fn notify(&self) {
        self.0.send_replace(());
    }
}

impl Store {
    /// A receiver that changes whenever a job may have been written.
    pub fn job_signal(&self) -> watch::Receiver<()> {
        self.job_signal.0.subscribe()
    }

    /// Listens, without end, for jobs and commands that other processes write. On SQLite the future only waits, since
    /// SQLite sends no notifications.
    pub async fn listen(&self) {
        let Some(server) = &self.server else {
            return std::future::pending().await;
        };
        loop {
            if let Err(error) = self.listen_once(server).await {
                tracing::warn!(
                    error = %error,
                    "nothing tells of new jobs and commands; they are found a little later"
                );
            }
            tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
        }
    }

    /// Listens until the connection is lost or was silent for [`MAX_SILENCE`].
    async fn listen_once(&self, server: &Server) -> Result<(), OpenError> {
        let connections = 1;
        let pool = server.pool(connections).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.eager_reconnect(false);
        listener
            .listen_all([CHANNEL, command_signal::CHANNEL])
            .await?;
        // Jobs and commands may have been written while no connection listened.
        self.job_signal.notify();
        self.command_signal.ring_all();
        while let Ok(received) = tokio::time::timeout(MAX_SILENCE, listener.try_recv()).await {
            match received? {
                None => return Ok(()),
                Some(told) if told.channel() == command_signal::CHANNEL => {
                    self.command_signal.ring(told.payload());
                }
                Some(_) => self.job_signal.notify(),
            }
        }
        Ok(())
    }
}
