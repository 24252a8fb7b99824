//! Recurring jobs: ending expired sessions and texts that no relay fetches, deleting old rows, and finding turns that
//! were not answered in time.
//!
//! All replicas share one row of each job, so only one replica runs it at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Retention;
use crate::jobs::{Job, JobError, JobRun, Next, Queue, Retry};
use crate::sessions::Sessions;
use crate::store::{Pepper, Store};

const RETRY_AFTER: Duration = Duration::from_mins(1);

pub(crate) struct UpkeepContext {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) pepper: Pepper,
    pub(crate) retention: Retention,
}

/// Ends expired sessions and texts that no relay fetches, deletes expired rows and finds turns that were not answered in
/// time, every minute.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Upkeep;

impl Job for Upkeep {
    type Context = UpkeepContext;
    const KIND: &'static str = "upkeep";
    const QUEUE: Queue = Queue::Upkeep;
    // The row of a recurring job is used for longer than any key stays listed.
    const SEALED: bool = false;

    fn retry(_: u32) -> Retry {
        Retry::After(RETRY_AFTER)
    }

    async fn run(
        self,
        context: &UpkeepContext,
        JobRun { now, .. }: JobRun,
    ) -> Result<Next, JobError> {
        let ended = context.sessions.end_expired(now).await?;
        context.store.end_unhanded_texts(now).await?;
        let removed = context.store.clean(&context.retention, now).await?;
        let old_turns = context.store.let_list_old_turns(now).await?;
        tracing::debug!(ended, removed, old_turns, "cleaned up");
        Ok(Next::Again(Duration::from_mins(1)))
    }
}

/// Deletes messages that are older than the configured retention. This job is apart from [`Upkeep`], because its
/// first run may read millions of messages.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct CleanHistory;

impl CleanHistory {
    /// Retention is counted in days, so an hour is exact enough. The first run also waits an hour, because during
    /// a rolling deployment a replica may run a version that ignores the tombstones of deleted messages, and would
    /// store a deleted message again when its relay retries.
    pub(crate) const EVERY: Duration = Duration::from_hours(1);
}

impl Job for CleanHistory {
    type Context = UpkeepContext;
    const KIND: &'static str = "clean_history";
    const QUEUE: Queue = Queue::Upkeep;
    const SEALED: bool = false;

    fn retry(_: u32) -> Retry {
        Retry::After(Self::EVERY)
    }

    async fn run(
        self,
        context: &UpkeepContext,
        JobRun { now, .. }: JobRun,
    ) -> Result<Next, JobError> {
        let (retention, pepper) = (&context.retention, &context.pepper);
        let removed = context.store.clean_history(retention, pepper, now).await?;
        if removed > 0 {
            tracing::info!(
                removed,
                "messages older than the configured retention removed"
            );
        }
        Ok(Next::Again(Self::EVERY))
    }
}
