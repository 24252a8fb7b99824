//! What comes back by itself: sessions that are over end, and what has served its time goes.
//!
//! Each is a job that all replicas share, so one of them does it at a time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Retention;
use crate::jobs::{Attempt, Job, JobError, Next, Queue, Retry};
use crate::sessions::Sessions;
use crate::store::{Pepper, Store};

const TRY_AGAIN_AFTER: Duration = Duration::from_mins(1);

pub(crate) struct Keeper {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) pepper: Pepper,
    pub(crate) retention: Retention,
}

/// Ends expired sessions, and removes rows that no longer matter.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Upkeep;

impl Job for Upkeep {
    type Context = Keeper;
    const KIND: &'static str = "upkeep";
    const QUEUE: Queue = Queue::Upkeep;
    const SEALED: bool = false;

    fn retry(_: u32) -> Retry {
        Retry::After(TRY_AGAIN_AFTER)
    }

    async fn run(self, keeper: &Keeper, attempt: &Attempt) -> Result<Next, JobError> {
        let ended = keeper.sessions.end_expired(attempt.now).await?;
        let removed = keeper.store.clean(&keeper.retention, attempt.now).await?;
        tracing::debug!(ended, removed, "cleaned up");
        Ok(Next::Again(Duration::from_mins(1)))
    }
}

/// Removes messages that a setting says are old. By itself: the first time there may be millions to go
/// through.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct CleanHistory;

impl CleanHistory {
    /// What is kept for days need not be looked at every minute. Nor at once: in the rolling deploy that
    /// brings this job, an older version may still serve that does not know what a removed message leaves
    /// behind.
    pub(crate) const EVERY: Duration = Duration::from_hours(1);
}

impl Job for CleanHistory {
    type Context = Keeper;
    const KIND: &'static str = "clean_history";
    const QUEUE: Queue = Queue::Upkeep;
    const SEALED: bool = false;

    fn retry(_: u32) -> Retry {
        Retry::After(Self::EVERY)
    }

    async fn run(self, keeper: &Keeper, attempt: &Attempt) -> Result<Next, JobError> {
        let (retention, pepper) = (&keeper.retention, &keeper.pepper);
        let removed = keeper
            .store
            .clean_history(retention, pepper, attempt.now)
            .await?;
        if removed > 0 {
            tracing::info!(removed, "history older than its settings removed");
        }
        Ok(Next::Again(Self::EVERY))
    }
}
