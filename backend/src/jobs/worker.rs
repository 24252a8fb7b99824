//! The workers of each queue, which claim due jobs and run them.
//!
//! A transaction that stores a job wakes the workers. The wake-up may be lost, so the workers also look for due jobs
//! every two seconds, and whenever a job has ended. When the process goes down, the workers claim no more jobs and
//! wait for the running ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{JobOutcome, Queue, Registry};
use crate::clock::{Clock, Timestamp};
use crate::lifecycle::Lifecycle;
use crate::store::{Store, StoreError};

/// A panic in a job ends only the job's own task, so a panic here is a bug of the worker.
const NO_PANIC: &str = "an attempt does not panic";

/// The waiting times of workers.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The time after which a worker looks for due jobs again without a wake-up.
    pub poll_every: Duration,
    /// The time after which a worker looks for due turns again. It also looks when the next turn is due.
    pub poll_turns_every: Duration,
    /// How many turns one process answers at once.
    pub turn_workers: usize,
    /// How long a running job may go on after the process began to go down.
    pub drain_timeout: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_secs(2),
            poll_turns_every: Duration::from_secs(1),
            turn_workers: 64,
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// The workers of one process.
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

    /// Runs one job that is due at `now`, if there is one.
    pub async fn step(&self, now: Timestamp) -> Result<Option<JobOutcome>, StoreError> {
        for queue in Queue::ALL {
            let leases = self.registry.leases(queue);
            let claimed = self.store.claim_jobs(queue.as_str(), &leases, 1, now);
            if let Some(job) = claimed.await?.pop() {
                let clock = Clock::manual(now);
                let outcome = self.attempt(job, &clock, &Lifecycle::new()).await?;
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }

    /// Stores the recurring jobs that are not stored yet.
    pub async fn enqueue_recurring(&self, now: Timestamp) -> Result<(), StoreError> {
        for job in self.registry.recurring_rows(now) {
            self.store.enqueue_once(&job, now).await?;
        }
        Ok(())
    }

    /// Runs the workers until the process goes down and the running jobs have ended.
    pub async fn run(self, clock: Clock, lifecycle: Lifecycle) {
        let jobs = Arc::new(self);
        let background = async {
            tokio::join!(
                jobs.enqueue_recurring_with_retries(&clock),
                jobs.store.listen()
            )
        };
        let until_drain = async {
            tokio::select! {
                _ = background => {}
                () = lifecycle.draining() => {}
            }
        };
        let [general, upkeep, turns] = Queue::ALL.map(|queue| jobs.work(queue, &clock, &lifecycle));
        tokio::join!(until_drain, general, upkeep, turns);
    }

    /// Stores the recurring jobs. Tries again until they are stored.
    async fn enqueue_recurring_with_retries(&self, clock: &Clock) {
        while let Err(error) = self.enqueue_recurring(clock.now()).await {
            tracing::warn!(error = %error, "recurring jobs were not stored; trying again");
            tokio::time::sleep(self.pace.poll_every).await;
        }
    }

    /// Claims and runs the jobs of one queue until the process goes down.
    async fn work(self: &Arc<Self>, queue: Queue, clock: &Clock, lifecycle: &Lifecycle) {
        let leases = self.registry.leases(queue);
        let mut wake_up = self.store.job_signal();
        let workers = queue.workers(&self.pace);
        let mut running = JoinSet::new();
        while !lifecycle.is_draining() {
            let free = workers - running.len();
            if free > 0 {
                // A job that is stored from here on causes another wake-up.
                wake_up.borrow_and_update();
                let claimed = self
                    .store
                    .claim_jobs(queue.as_str(), &leases, free, clock.now());
                let claimed = claimed.await.unwrap_or_else(|error| {
                    tracing::warn!(error = %error, "no job could be claimed; trying again later");
                    Vec::new()
                });
                for job in claimed {
                    let (jobs, clock, lifecycle) =
                        (Arc::clone(self), clock.clone(), lifecycle.clone());
                    running.spawn(async move {
                        if let Err(error) = jobs.attempt(job, &clock, &lifecycle).await {
                            tracing::warn!(error = %error, "the outcome of a job was not stored; the job runs again");
                        }
                    });
                }
            }
            let has_room = running.len() < workers;
            let pause = if has_room {
                self.pause(queue, clock.now()).await
            } else {
                self.pace.poll_every
            };
            tokio::select! {
                Some(ended) = running.join_next() => {
                    let mut next = Some(ended);
                    while let Some(ended) = next {
                        ended.expect(NO_PANIC);
                        next = running.try_join_next();
                    }
                }
                _ = wake_up.changed(), if has_room => {}
                () = tokio::time::sleep(pause) => {}
                () = lifecycle.draining() => {}
            }
        }
        while let Some(ended) = running.join_next().await {
            ended.expect(NO_PANIC);
        }
    }

    /// How long a worker of the queue waits before it looks for due jobs again. Intake does not wake the workers for
    /// each turn that it opens, so they look when the next turn is due.
    async fn pause(&self, queue: Queue, now: Timestamp) -> Duration {
        if queue != Queue::Turns {
            return self.pace.poll_every;
        }
        let longest = self.pace.poll_turns_every;
        match self.store.next_due(queue.as_str(), now).await {
            Ok(next) => next.map_or(longest, |next| next.since(now).min(longest)),
            Err(_unavailable) => longest,
        }
    }
}
