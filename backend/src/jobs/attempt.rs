//! One attempt at a job: runs the job, renews its lease meanwhile, and stores the outcome.
//!
//! The job runs in its own task, so that a panic fails only this job. The task is stopped when the lease is lost,
//! because another process may have begun the job, and when the process has to go down.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::registry::{JobFuture, JobKind};
use super::{JobError, JobOutcome, JobRun, Jobs, Next, OnDrain, Retry};
use crate::clock::{Clock, Timestamp};
use crate::lifecycle::Lifecycle;
use crate::store::StoreError;
use crate::store::jobs::{ClaimedJob, PutBack};

/// How the run of a job ended.
#[derive(Clone, Copy)]
enum RunEnd {
    Completed(Result<Next, JobError>),
    Stopped,
    LeaseLost,
}

impl Jobs {
    /// Runs a job and stores the outcome.
    pub(super) async fn attempt(
        &self,
        job: ClaimedJob,
        clock: &Clock,
        lifecycle: &Lifecycle,
    ) -> Result<JobOutcome, StoreError> {
        let Some(kind) = self.registry.kind(&job.kind) else {
            // Not reached: only registered kinds are claimed.
            return Ok(JobOutcome::Lost);
        };
        let (id, attempt) = (job.id, job.attempts);
        let span = tracing::info_span!(parent: None, "job", kind = kind.name, %id, attempt);
        let work = async {
            let mut job = job;
            let end = self.run_with_lease(&mut job, kind, clock, lifecycle).await;
            let outcome = self.store_outcome(&job, kind, end, clock.now()).await?;
            let labels = [("kind", kind.name), ("outcome", outcome.into())];
            metrics::counter!("jobs_total", &labels).increment(1);
            Ok(outcome)
        };
        work.instrument(span).await
    }

    /// Runs the job and renews its lease, until the job ends or has to stop.
    async fn run_with_lease(
        &self,
        job: &mut ClaimedJob,
        kind: &JobKind,
        clock: &Clock,
        lifecycle: &Lifecycle,
    ) -> RunEnd {
        let run = JobRun {
            now: clock.now(),
            claim: job.claim(),
        };
        let future = match self.registry.begin(kind, &job.payload, run) {
            Ok(future) => future,
            Err(error) => return RunEnd::Completed(Err(error)),
        };
        let mut task = JobTask::start(future);
        // One renewal may fail without the loss of the lease.
        let renew_every = kind.lease_duration / 3;
        let mut renewal = interval_at(Instant::now() + renew_every, renew_every);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(self.wait_for_stop(kind, lifecycle));
        loop {
            tokio::select! {
                biased;
                ended = task.join() => return RunEnd::Completed(ended),
                () = &mut stop => {
                    return task.stop().await.map_or(RunEnd::Stopped, RunEnd::Completed);
                }
                _ = renewal.tick() => {
                    if !self.renew(job, kind.lease_duration, clock).await {
                        return RunEnd::LeaseLost;
                    }
                }
            }
        }
    }

    /// Waits until the process goes down and a job of this kind has to stop.
    async fn wait_for_stop(&self, kind: &JobKind, lifecycle: &Lifecycle) {
        lifecycle.draining().await;
        if kind.on_drain == OnDrain::Finish {
            tokio::time::sleep(self.pace.drain_timeout).await;
        }
    }

    /// Renews the lease. `false` if this process no longer holds the job. If the database does not answer, the
    /// process holds the job until the lease expires.
    async fn renew(&self, job: &mut ClaimedJob, lease: Duration, clock: &Clock) -> bool {
        let renewed = self.store.renew_job(job, clock.now().plus(lease)).await;
        renewed.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "the lease of a job was not renewed; trying again");
            clock.now() < job.locked_until
        })
    }

    /// Finishes the job, puts it back into its queue, sets it aside, or makes it a dead letter.
    async fn store_outcome(
        &self,
        job: &ClaimedJob,
        kind: &JobKind,
        end: RunEnd,
        now: Timestamp,
    ) -> Result<JobOutcome, StoreError> {
        let store = &self.store;
        let unchanged = PutBack {
            run_at: job.run_at,
            attempts: job.attempts,
            dead_at: None,
        };
        let put_back = |new_state| store.put_job_back(job, new_state);
        let dead_letter = |why: &str| {
            tracing::error!(why, "a job is given up");
            put_back(PutBack {
                run_at: now,
                dead_at: Some(now),
                ..unchanged
            })
        };
        let (outcome, has_lease) = match end {
            RunEnd::Completed(Ok(Next::Finished)) => {
                (JobOutcome::Done, store.finish_job(job).await?)
            }
            RunEnd::Completed(Ok(Next::Again(after))) => {
                let repeated = PutBack {
                    run_at: now.plus(after),
                    attempts: 0,
                    ..unchanged
                };
                (JobOutcome::Done, put_back(repeated).await?)
            }
            RunEnd::Completed(Err(JobError::Later(own_pause))) => {
                match (kind.retry)(u32::try_from(job.attempts).unwrap_or(0)) {
                    Retry::After(pause) => {
                        let run_at = now.plus(own_pause.unwrap_or(pause));
                        let postponed = PutBack {
                            run_at,
                            ..unchanged
                        };
                        (JobOutcome::Postponed, put_back(postponed).await?)
                    }
                    Retry::GiveUp => (
                        JobOutcome::DeadLetter,
                        dead_letter("it failed too often").await?,
                    ),
                }
            }
            RunEnd::Completed(Err(JobError::Never(why))) => {
                (JobOutcome::DeadLetter, dead_letter(why).await?)
            }
            RunEnd::Completed(Err(JobError::SetAside(new_kind))) => (
                JobOutcome::SetAside,
                store.set_job_aside(job, new_kind).await?,
            ),
            RunEnd::Stopped => {
                let handed_back = PutBack {
                    attempts: job.attempts - 1,
                    ..unchanged
                };
                (JobOutcome::HandedBack, put_back(handed_back).await?)
            }
            RunEnd::LeaseLost => (JobOutcome::Lost, false),
        };
        if has_lease {
            return Ok(outcome);
        }
        tracing::warn!("the lease of a job was lost; another process may do it again");
        Ok(JobOutcome::Lost)
    }
}

/// The task of a running job. Dropping it stops the job.
struct JobTask(AbortOnDropHandle<Result<Next, JobError>>);

impl JobTask {
    fn start(future: JobFuture) -> Self {
        Self(AbortOnDropHandle::new(tokio::spawn(
            future.in_current_span(),
        )))
    }

    /// Waits for the end of the job. A panic counts as a failed attempt.
    async fn join(&mut self) -> Result<Next, JobError> {
        (&mut self.0).await.unwrap_or_else(|error| {
            if error.is_panic() {
                tracing::error!("a job panicked");
            }
            Err(JobError::Later(None))
        })
    }

    /// Stops the job at its next `await`. Returns its result if the job ends before that.
    async fn stop(mut self) -> Option<Result<Next, JobError>> {
        self.0.abort();
        match (&mut self.0).await {
            Err(error) if error.is_cancelled() => None,
            Ok(ended) => Some(ended),
            Err(_panicked) => Some(Err(JobError::Later(None))),
        }
    }
}
