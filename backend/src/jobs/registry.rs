//! The kinds of jobs that this version runs, each with its context.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use uuid::Builder;

use super::{Job, JobError, JobRun, Next, OnDrain, Queue, Retry, payload};
use crate::clock::Timestamp;
use crate::keyring::{Keyring, digest};
use crate::store::jobs::{Leases, NewJob};

/// An attempt that has begun.
pub(super) type JobFuture = Pin<Box<dyn Future<Output = Result<Next, JobError>> + Send>>;

/// Parses a payload and begins an attempt.
type Begin = dyn Fn(&Keyring, &[u8], JobRun) -> Result<JobFuture, JobError> + Send + Sync;

/// The kinds of jobs, by name.
pub struct Registry {
    keyring: Arc<Keyring>,
    kinds: BTreeMap<&'static str, JobKind>,
    recurring: Vec<Recurring>,
}

/// A registered kind of job. The type of its jobs is erased.
pub(super) struct JobKind {
    pub(super) name: &'static str,
    pub(super) lease_duration: Duration,
    pub(super) on_drain: OnDrain,
    pub(super) retry: fn(u32) -> Retry,
    queue: Queue,
    begin: Box<Begin>,
}

/// A recurring job, of which there is one for all replicas.
struct Recurring {
    kind: &'static str,
    queue: Queue,
    payload: Vec<u8>,
    /// The time between the first storing of the job and its first run.
    first_delay: Duration,
}

impl Registry {
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            kinds: BTreeMap::new(),
            recurring: Vec::new(),
        }
    }

    /// Adds a kind, whose jobs run with `context`.
    #[must_use]
    pub fn with<J: Job>(mut self, context: Arc<J::Context>) -> Self {
        let begin = move |keyring: &Keyring, payload: &[u8], run: JobRun| {
            let job: J = payload::read(keyring, payload)?;
            let context = Arc::clone(&context);
            let future: JobFuture = Box::pin(async move { job.run(&context, run).await });
            Ok(future)
        };
        let kind = JobKind {
            name: J::KIND,
            lease_duration: J::LEASE_DURATION,
            on_drain: J::ON_DRAIN,
            retry: J::retry,
            queue: J::QUEUE,
            begin: Box::new(begin),
        };
        let earlier = self.kinds.insert(J::KIND, kind);
        assert!(
            earlier.is_none(),
            "two kinds of jobs are called {}",
            J::KIND
        );
        self
    }

    /// Adds a recurring kind, of which there is one job for all replicas. The job runs for the first time
    /// `first_delay` after it was stored, and returns [`Next::Again`] to run again. Its payload is not sealed, because
    /// the job lasts longer than any key.
    #[must_use]
    pub fn recurring<J: Job + Default>(
        mut self,
        context: Arc<J::Context>,
        first_delay: Duration,
    ) -> Self {
        const {
            assert!(!J::SEALED, "a recurring job lasts longer than any key");
        };
        self.recurring.push(Recurring {
            kind: J::KIND,
            queue: J::QUEUE,
            payload: payload::to_json(&J::default()),
            first_delay,
        });
        self.with::<J>(context)
    }

    /// The kinds of one queue, each with the duration of its lease.
    pub(super) fn leases(&self, queue: Queue) -> Leases {
        let kinds = self.kinds.values().filter(|kind| kind.queue == queue);
        kinds.map(|kind| (kind.name, kind.lease_duration)).collect()
    }

    pub(super) fn kind(&self, name: &str) -> Option<&JobKind> {
        self.kinds.get(name)
    }

    /// The rows of the recurring jobs, due after their first delay.
    pub(super) fn recurring_rows(&self, now: Timestamp) -> impl Iterator<Item = NewJob> {
        self.recurring.iter().map(move |job| {
            // The id is the same on every replica, so that the job is stored once.
            let id_bytes = digest(format!("recurring job {}", job.kind).as_bytes());
            let id = Builder::from_custom_bytes(*id_bytes.first_chunk().expect("32 bytes"));
            let id = id.into_uuid();
            let run_at = now.plus(job.first_delay);
            NewJob {
                queue: job.queue.as_str(),
                ..NewJob::new(id, job.kind, job.payload.clone(), run_at)
            }
        })
    }

    /// Begins an attempt at a job of this kind.
    pub(super) fn begin(
        &self,
        kind: &JobKind,
        payload: &[u8],
        run: JobRun,
    ) -> Result<JobFuture, JobError> {
        (kind.begin)(&self.keyring, payload, run)
    }
}
