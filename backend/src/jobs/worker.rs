//! The workers of each queue: claim what is due, attempt it, look again.
//!
//! A transaction that writes a job wakes them. That may get lost, so they look every few seconds anyway,
//! and whenever a job has ended. When the process goes down they claim nothing more, and wait for what
//! runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{JobOutcome, Queue, Registry};
use crate::clock::{Clock, Timestamp};
use crate::lifecycle::Lifecycle;
use crate::store::{Store, StoreError};

/// A panic of a job ends the job's own task. One beside it is a fault of this process.
const NO_PANIC: &str = "an attempt does not panic";

/// How long workers wait.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How soon a job is found if its wake-up was lost.
    pub look_every: Duration,
    /// How long running jobs have when the process goes down.
    pub drain_within: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(2),
            drain_within: Duration::from_secs(10),
        }
    }
}

pub struct Jobs {
    pub(super) store: Store,
    pub(super) registry: Registry,
    pub(super) pace: Pace,
}

impl Jobs {
    pub fn new(store: Store, registry: Registry, pace: Pace) -> Self {
        Self {
            store,
            registry,
            pace,
        }
    }

    /// Attempts one job that is due at `now`, if there is one.
    pub async fn step(&self, now: Timestamp) -> Result<Option<JobOutcome>, StoreError> {
        for queue in Queue::ALL {
            let leases = self.registry.leases(queue);
            let claimed = self.store.claim_jobs(queue.as_str(), &leases, 1, now);
            if let Some(job) = claimed.await?.pop() {
                let stands_still = Clock::manual(now);
                let outcome = self.attempt(job, &stands_still, &Lifecycle::new()).await?;
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// Writes down the jobs that come back by themselves, where they are not yet.
    pub async fn begin_recurring(&self, now: Timestamp) -> Result<(), StoreError> {
        for job in self.registry.recurring_rows(now) {
            self.store.enqueue_once(&job, now).await?;
        }
        Ok(())
    }

    /// Works until the process goes down and what runs has ended.
    pub async fn run(self, clock: Clock, lifecycle: Lifecycle) {
        let jobs = Arc::new(self);
        let beside = async {
            tokio::join!(
                jobs.begin_recurring_at_last(&clock),
                jobs.store.listen_for_jobs()
            )
        };
        let beside = async {
            tokio::select! {
                _ = beside => {}
                () = lifecycle.draining() => {}
            }
        };
        let [general, upkeep] = Queue::ALL.map(|queue| jobs.work(queue, &clock, &lifecycle));
        tokio::join!(beside, general, upkeep);
    }

    async fn begin_recurring_at_last(&self, clock: &Clock) {
        while let Err(error) = self.begin_recurring(clock.now()).await {
            tracing::warn!(error = %error, "recurring jobs were not written down; trying again");
            tokio::time::sleep(self.pace.look_every).await;
        }
    }

    async fn work(self: &Arc<Self>, queue: Queue, clock: &Clock, lifecycle: &Lifecycle) {
        let leases = self.registry.leases(queue);
        let mut written = self.store.job_signal();
        let mut running = JoinSet::new();
        while !lifecycle.is_draining() {
            let free = queue.workers() - running.len();
            if free > 0 {
                // What is written from here on is told anew.
                written.borrow_and_update();
                let claimed = self
                    .store
                    .claim_jobs(queue.as_str(), &leases, free, clock.now());
                for job in claimed.await.unwrap_or_else(|error| nothing(&error)) {
                    let (jobs, clock, lifecycle) =
                        (Arc::clone(self), clock.clone(), lifecycle.clone());
                    running.spawn(async move {
                        if let Err(error) = jobs.attempt(job, &clock, &lifecycle).await {
                            tracing::warn!(error = %error, "what became of a job was not written down; it is done again");
                        }
                    });
                }
            }
            let has_room = running.len() < queue.workers();
            tokio::select! {
                Some(ended) = running.join_next() => {
                    let mut next = Some(ended);
                    while let Some(ended) = next {
                        ended.expect(NO_PANIC);
                        next = running.try_join_next();
                    }
                }
                _ = written.changed(), if has_room => {}
                () = tokio::time::sleep(self.pace.look_every) => {}
                () = lifecycle.draining() => {}
            }
        }
        while let Some(ended) = running.join_next().await {
            ended.expect(NO_PANIC);
        }
    }
}

fn nothing<T>(error: &StoreError) -> Vec<T> {
    tracing::warn!(error = %error, "no job could be claimed; trying again later");
    Vec::new()
}
