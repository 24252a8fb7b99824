//! One attempt at a job that this process holds: it runs, is renewed meanwhile, and its outcome is written down.
//!
//! The job runs as a task of its own, so that a panic in it is its own failure. It is stopped when the
//! lease is lost, since another process may have begun it, and when the time to go down is over.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::registry::{Kind, Running};
use super::{Attempt, JobError, JobOutcome, Jobs, Next, OnDrain, Retry};
use crate::clock::{Clock, Timestamp};
use crate::lifecycle::Lifecycle;
use crate::store::StoreError;
use crate::store::jobs::{ClaimedJob, PutBack};

#[derive(Clone, Copy)]
enum RunEnd {
    ByItself(Result<Next, JobError>),
    Stopped,
    LeaseLost,
}

impl Jobs {
    /// Attempts a job and writes down what became of it.
    pub(super) async fn attempt(
        &self,
        job: ClaimedJob,
        clock: &Clock,
        lifecycle: &Lifecycle,
    ) -> Result<JobOutcome, StoreError> {
        let Some(kind) = self.registry.kind(&job.kind) else {
            // Only registered kinds are claimed.
            return Ok(JobOutcome::Lost);
        };
        let (id, attempt) = (job.id, job.attempts);
        let span = tracing::info_span!(parent: None, "job", kind = kind.name, %id, attempt);
        let work = async {
            let mut job = job;
            let ran = self.run_held(&mut job, kind, clock, lifecycle).await;
            let outcome = self.write_down(&job, kind, ran, clock.now()).await?;
            let labels = [("kind", kind.name), ("outcome", outcome.into())];
            metrics::counter!("jobs_total", &labels).increment(1);
            Ok(outcome)
        };
        work.instrument(span).await
    }

    async fn run_held(
        &self,
        job: &mut ClaimedJob,
        kind: &Kind,
        clock: &Clock,
        lifecycle: &Lifecycle,
    ) -> RunEnd {
        let attempt = Attempt {
            job_id: job.id,
            number: number(job),
            now: clock.now(),
        };
        let running = match self.registry.begin(kind, &job.payload, attempt) {
            Ok(running) => running,
            Err(error) => return RunEnd::ByItself(Err(error)),
        };
        let mut task = Task::start(running);
        let every = kind.lease / 3;
        let mut renewal = interval_at(Instant::now() + every, every);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut time_is_up = pin!(self.time_is_up(kind, lifecycle));
        loop {
            tokio::select! {
                biased;
                ended = task.ended() => return RunEnd::ByItself(ended),
                () = &mut time_is_up => {
                    return task.stop().await.map_or(RunEnd::Stopped, RunEnd::ByItself);
                }
                _ = renewal.tick() => {
                    if !self.renew(job, kind.lease, clock).await {
                        return RunEnd::LeaseLost;
                    }
                }
            }
        }
    }

    /// Waits until a job of this kind has to stop.
    async fn time_is_up(&self, kind: &Kind, lifecycle: &Lifecycle) {
        lifecycle.draining().await;
        if kind.on_drain == OnDrain::Finish {
            tokio::time::sleep(self.pace.drain_within).await;
        }
    }

    /// `false` if the job is not this process's any more. If the database does not tell, it is until the
    /// lease is over.
    async fn renew(&self, job: &mut ClaimedJob, lease: Duration, clock: &Clock) -> bool {
        let renewed = self.store.renew_job(job, clock.now().plus(lease)).await;
        renewed.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "the lease of a job was not renewed; trying again");
            clock.now() < job.locked_until
        })
    }

    async fn write_down(
        &self,
        job: &ClaimedJob,
        kind: &Kind,
        ran: RunEnd,
        now: Timestamp,
    ) -> Result<JobOutcome, StoreError> {
        let (outcome, change) = decide(ran, kind, job, now);
        let is_held = match change {
            Change::Remove => self.store.finish_job(job).await?,
            Change::PutBack(back) => self.store.put_job_back(job, back).await?,
            Change::SetAside(kind) => self.store.set_job_aside(job, kind).await?,
            Change::Nothing => false,
        };
        if is_held {
            return Ok(outcome);
        }
        tracing::warn!("the lease of a job was lost; another process may do it again");
        Ok(JobOutcome::Lost)
    }
}

/// What is written down about a job.
enum Change {
    Remove,
    PutBack(PutBack),
    SetAside(&'static str),
    Nothing,
}

fn decide(ran: RunEnd, kind: &Kind, job: &ClaimedJob, now: Timestamp) -> (JobOutcome, Change) {
    let attempts = job.attempts;
    let put_back = |run_at, attempts| {
        Change::PutBack(PutBack {
            run_at,
            attempts,
            dead_at: None,
        })
    };
    let give_up = |why: &str| {
        tracing::error!(why, "a job is given up");
        let dead = PutBack {
            run_at: now,
            attempts,
            dead_at: Some(now),
        };
        (JobOutcome::DeadLetter, Change::PutBack(dead))
    };
    match ran {
        RunEnd::ByItself(Ok(Next::Finished)) => (JobOutcome::Done, Change::Remove),
        RunEnd::ByItself(Ok(Next::Again(after))) => {
            (JobOutcome::Done, put_back(now.plus(after), 0))
        }
        RunEnd::ByItself(Err(JobError::Later(own_pause))) => match (kind.retry)(number(job)) {
            Retry::After(pause) => {
                let run_at = now.plus(own_pause.unwrap_or(pause));
                (JobOutcome::Postponed, put_back(run_at, attempts))
            }
            Retry::GiveUp => give_up("it failed too often"),
        },
        RunEnd::ByItself(Err(JobError::Never(why))) => give_up(why),
        RunEnd::ByItself(Err(JobError::Aside(kind))) => {
            (JobOutcome::SetAside, Change::SetAside(kind))
        }
        RunEnd::Stopped => (JobOutcome::HandedBack, put_back(job.run_at, attempts - 1)),
        RunEnd::LeaseLost => (JobOutcome::Lost, Change::Nothing),
    }
}

fn number(job: &ClaimedJob) -> u32 {
    u32::try_from(job.attempts).unwrap_or(0)
}

/// A job that runs, and stops if this is dropped.
struct Task(AbortOnDropHandle<Result<Next, JobError>>);

impl Task {
    fn start(running: Running) -> Self {
        Self(AbortOnDropHandle::new(tokio::spawn(
            running.in_current_span(),
        )))
    }

    async fn ended(&mut self) -> Result<Next, JobError> {
        (&mut self.0).await.unwrap_or_else(|error| {
            if error.is_panic() {
                tracing::error!("a job panicked");
            }
            Err(JobError::Later(None))
        })
    }

    /// Stops it at its next pause; if it ends first, tells how.
    async fn stop(mut self) -> Option<Result<Next, JobError>> {
        self.0.abort();
        match (&mut self.0).await {
            Err(error) if error.is_cancelled() => None,
            Ok(ended) => Some(ended),
            Err(_panicked) => Some(Err(JobError::Later(None))),
        }
    }
}
