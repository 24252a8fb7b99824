//! Durable work: written in the transaction that makes it necessary, done at least once.
//!
//! A kind of job is a type that implements [`Job`], beside the code that it belongs to, and one line in
//! the [`Registry`]. It bears being done twice, since a process may die before it can write down that it is
//! done. [`Jobs`] works the queue off: what it does not know it leaves to a version that does, what fails it
//! tries again by the kind's rule, then gives up and counts, and leaves to be looked at. This module knows
//! the store and the keys that payloads are sealed with, and not what a job is about.

mod attempt;
mod payload;
mod registry;
mod worker;

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::keyring::Keyring;
use crate::store::StoreError;
use crate::store::jobs::{GENERAL_QUEUE, NewJob, UPKEEP_QUEUE};

pub(crate) use payload::{open, resealed};
pub use registry::Registry;
pub use worker::{Jobs, Pace};

/// With the pauses below, about ten days.
const MAX_ATTEMPTS: u32 = 50;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// A kind of durable work, and the context that it is done with.
pub trait Job: Serialize + DeserializeOwned + Send + Sized + 'static {
    type Context: Send + Sync + 'static;

    /// Its name in the database and in metrics. Never changed once it is released.
    const KIND: &'static str;
    /// Which workers do it. Never changed once it is released: rows stand in the queue that they were
    /// written for.
    const QUEUE: Queue = Queue::General;
    /// Whether the payload is sealed, for it may tell of a person.
    const SEALED: bool = true;
    /// How long it is held without a renewal, which its process does while it runs.
    const LEASE: Duration = Duration::from_mins(2);
    /// What becomes of it when the process goes down.
    const ON_DRAIN: OnDrain = OnDrain::Finish;

    /// Jobs of one lane are done one at a time, in the order in which they were written. One that is tried
    /// again later holds the others back until then. A transaction that writes to several lanes does so in
    /// their order, or may be rolled back as a deadlock.
    fn lane(&self) -> Option<String> {
        None
    }

    /// Of the jobs with one key one waits at a time. Once that is begun, another may be written.
    fn dedupe_key(&self) -> Option<String> {
        None
    }

    /// The higher goes first.
    fn priority(&self) -> i32 {
        0
    }

    /// What comes after its attempt of this number has failed.
    fn retry(attempt: u32) -> Retry {
        if attempt >= MAX_ATTEMPTS {
            return Retry::GiveUp;
        }
        // 10 s, 20 s, 40 s … 6 h.
        let doublings = attempt.saturating_sub(1).min(20);
        Retry::After((FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE))
    }

    fn run(
        self,
        context: &Self::Context,
        attempt: &Attempt,
    ) -> impl Future<Output = Result<Next, JobError>> + Send;

    /// As it is written down; due at once.
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

/// Jobs of one queue share workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What requests and commands leave to be done.
    General,
    /// What comes back by itself.
    Upkeep,
}

impl Queue {
    const ALL: [Self; 2] = [Self::General, Self::Upkeep];

    const fn as_str(self) -> &'static str {
        match self {
            Self::General => GENERAL_QUEUE,
            Self::Upkeep => UPKEEP_QUEUE,
        }
    }

    /// How many are done at once by a process.
    const fn workers(self) -> usize {
        match self {
            Self::General => 4,
            Self::Upkeep => 2,
        }
    }
}

/// One attempt at a job.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The job's id, the same for all attempts.
    pub job_id: Uuid,
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    pub now: Timestamp,
}

/// What comes after an attempt that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Finished,
    /// It is to be done again after this. Not for jobs of a lane, which it would hold back.
    Again(Duration),
}

/// What comes after an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobError {
    /// It may later: after this, or after the pause of the kind's rule, which limits the attempts.
    Later(Option<Duration>),
    /// It never will, and why.
    Never(&'static str),
    /// An operator has to do it: it becomes a job of this kind, which no worker knows.
    Aside(&'static str),
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        tracing::warn!(error = %error, "the database did not do its work for a job");
        Self::Later(None)
    }
}

/// A kind's rule about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    After(Duration),
    /// It is given up, and stays to be looked at.
    GiveUp,
}

/// What becomes of a running job when the process goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDrain {
    /// It may finish within the time that is left; after that it is handed back.
    Finish,
    /// It is stopped and handed back at once.
    HandBack,
}

/// What became of an attempt; a label in logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum JobOutcome {
    Done,
    /// It failed and will be tried again.
    Postponed,
    /// It was given up.
    #[strum(serialize = "buried")]
    DeadLetter,
    /// It waits for an operator.
    SetAside,
    /// It was stopped to be done by another process; the attempt does not count.
    HandedBack,
    /// It became another process's meanwhile.
    Lost,
}
