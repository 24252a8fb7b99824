//! Durable jobs: each is stored in the transaction that makes it necessary, and runs at least once.
//!
//! A kind of job is a type that implements [`Job`], in the module that it belongs to, and one line in the
//! [`Registry`]. A job has to be safe to repeat, because a process may die after the work and before it can store
//! that the job is done. [`Jobs`] runs the due jobs. A job of an unknown kind waits for a version that knows the
//! kind. A failed job is retried by the rule of its kind; after the last attempt it becomes a dead letter, which an
//! operator can look at. This module knows the store and the keys that seal payloads. It does not know what the jobs
//! do.

mod attempt;
mod payload;
mod registry;
mod worker;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::keyring::Keyring;
use crate::store::StoreError;
use crate::store::jobs::{GENERAL_QUEUE, JobClaim, NewJob, TURNS_QUEUE, UPKEEP_QUEUE};

pub(crate) use payload::{open, resealed};
pub use registry::Registry;
pub use worker::{Jobs, Pace};

/// With the pauses below, fifty attempts take about ten days.
const MAX_ATTEMPTS: u32 = 50;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// A kind of job. The fields of the type are the payload.
pub trait Job: Serialize + DeserializeOwned + Send + Sized + 'static {
    /// The services that the job uses.
    type Context: Send + Sync + 'static;

    /// The name of the kind in the database and in metrics. It must not change after a release.
    const KIND: &'static str;
    /// The queue whose workers run the job. It must not change after a release, because stored jobs stay in their
    /// queue.
    const QUEUE: Queue = Queue::General;
    /// Whether the payload is sealed, because it may contain personal data.
    const SEALED: bool = true;
    /// For how long a claim keeps other processes from the job. The process renews this lease while the job runs.
    const LEASE_DURATION: Duration = Duration::from_mins(2);
    /// What happens to a running job when the process goes down.
    const ON_DRAIN: OnDrain = OnDrain::Finish;

    /// The lane of the job. Jobs of one lane run one at a time, in the order in which they were stored; a job that
    /// waits for its retry holds back the later ones. A transaction that stores jobs in several lanes has to store
    /// them in the order of the lanes' names, or a deadlock may roll it back.
    fn lane(&self) -> Option<String> {
        None
    }

    /// While a job with this key waits, no other job with the key is stored. After that job has begun, another may
    /// be stored.
    fn dedupe_key(&self) -> Option<String> {
        None
    }

    /// A due job with a higher priority runs first.
    fn priority(&self) -> i32 {
        0
    }

    /// What happens after the failed attempt of this number, counted from 1.
    fn retry(attempt: u32) -> Retry {
        if attempt >= MAX_ATTEMPTS {
            return Retry::GiveUp;
        }
        // 10 s, 20 s, 40 s … 6 h. The maximum of 20 keeps the shift from overflowing.
        let doublings = attempt.saturating_sub(1).min(20);
        Retry::After((FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE))
    }

    fn run(
        self,
        context: &Self::Context,
        run: JobRun,
    ) -> impl Future<Output = Result<Next, JobError>> + Send;

    /// The row of the job, due at `now`.
    fn to_row(&self, keyring: &Keyring, now: Timestamp) -> NewJob {
        NewJob {
            queue: Self::QUEUE.as_str(),
            lane: self.lane(),
            priority: self.priority(),
            dedupe_key: self.dedupe_key(),
            ..NewJob::new(row_id(now), Self::KIND, payload::write(self, keyring), now)
        }
    }
}

/// One run of a job.
#[derive(Clone, Copy, Debug)]
pub struct JobRun {
    /// The time at which the run began.
    pub now: Timestamp,
    /// Proves in a transaction that this process still has the job.
    pub claim: JobClaim,
}

/// A queue of jobs with its own workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Jobs that requests and commands store.
    General,
    /// Recurring jobs.
    Upkeep,
    /// Turns of conversations, whose responders may be slow. No other job waits behind them.
    Turns,
}

impl Queue {
    const ALL: [Self; 3] = [Self::General, Self::Upkeep, Self::Turns];

    const fn as_str(self) -> &'static str {
        match self {
            Self::General => GENERAL_QUEUE,
            Self::Upkeep => UPKEEP_QUEUE,
            Self::Turns => TURNS_QUEUE,
        }
    }

    /// How many jobs of the queue one process runs at once.
    const fn workers(self, pace: &Pace) -> usize {
        match self {
            Self::General => 4,
            Self::Upkeep => 2,
            Self::Turns => pace.turn_workers,
        }
    }
}

/// What happens after a successful attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Finished,
    /// The job runs again after this time. A job with a lane must not return it, because the lane would wait.
    Again(Duration),
}

/// Why an attempt failed, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobError {
    /// The job is retried after this time, or with `None` after the pause of [`Job::retry`]. In both cases
    /// [`Job::retry`] limits the attempts.
    Later(Option<Duration>),
    /// The job cannot succeed, for this reason. It becomes a dead letter.
    Never(&'static str),
    /// An operator has to finish the work. The job gets this kind, which no worker runs.
    SetAside(&'static str),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = %error, "a job failed at the database");
        Self::Later(None)
    }
}

/// What [`Job::retry`] decides about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    After(Duration),
    /// The job becomes a dead letter.
    GiveUp,
}

/// What happens to a running job when the process goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDrain {
    /// The job runs on until the drain timeout, and is then handed back to the queue.
    Finish,
    /// The job is stopped at once and handed back to the queue.
    HandBack,
}

/// The outcome of an attempt. Its name in snake case is a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum JobOutcome {
    Done,
    /// The attempt failed, and the job is retried.
    Postponed,
    /// The job cannot succeed, or has failed too often.
    #[strum(serialize = "buried")]
    DeadLetter,
    /// The job waits for an operator.
    SetAside,
    /// The job was stopped so that another process runs it. The attempt does not count.
    HandedBack,
    /// The lease expired during the attempt, and another process may have taken the job.
    Lost,
}
