//! Jobs whose behaviour a test chooses, and workers that run them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use archety_backend::clock::{Clock, Timestamp};
use archety_backend::jobs::{
    Job, JobError, JobRun, Jobs, Next, OnDrain, Pace, Queue, Registry, Retry,
};
use archety_backend::keyring::Keyring;
use archety_backend::lifecycle::Lifecycle;
use archety_backend::store::Store;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub(crate) use archety_backend::store::Pools;

/// The behaviour of a test job.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    Finish,
    Fail,
    FailFor(u64),
    Refuse,
    SetAside,
    Panic,
    /// The job waits until the test adds a permit to the gate.
    Wait,
}

/// A test job with three attempts, ten seconds apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Chore {
    pub(crate) n: usize,
    pub(crate) act: Act,
    pub(crate) lane: Option<String>,
}

/// A [`Chore`] that is stopped at once when the process shuts down.
#[derive(Serialize, Deserialize)]
pub(crate) struct Interruptible(pub(crate) Chore);

/// The numbers of the jobs that have begun, finished or been stopped, and the gate of waiting jobs.
#[derive(Default)]
pub(crate) struct Activity {
    pub(crate) begun: Mutex<Vec<usize>>,
    pub(crate) done: Mutex<Vec<usize>>,
    /// Jobs that were dropped before they finished.
    pub(crate) stopped: Mutex<Vec<usize>>,
    pub(crate) gate: Gate,
}

pub(crate) struct Gate(pub(crate) Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

/// Adds a job to `stopped` if the job is dropped before it finishes.
struct StopRecorder<'a>(&'a Activity, Option<usize>);

impl Drop for StopRecorder<'_> {
    fn drop(&mut self) {
        if let Some(n) = self.1 {
            self.0.stopped.lock().expect("sound").push(n);
        }
    }
}

impl Chore {
    pub(crate) fn new(n: usize, act: Act) -> Self {
        Self { n, act, lane: None }
    }

    async fn perform(self, activity: &Activity) -> Result<Next, JobError> {
        activity.begun.lock().expect("sound").push(self.n);
        match self.act {
            Act::Finish => {}
            Act::Fail => return Err(JobError::Later(None)),
            Act::FailFor(secs) => return Err(JobError::Later(Some(Duration::from_secs(secs)))),
            Act::Refuse => return Err(JobError::Never("on purpose")),
            Act::SetAside => return Err(JobError::SetAside("for_the_operator")),
            Act::Panic => panic!("on purpose"),
            Act::Wait => {
                let mut recorder = StopRecorder(activity, Some(self.n));
                activity.gate.0.acquire().await.expect("open").forget();
                recorder.1 = None;
            }
        }
        tracing::info!("the chore is done");
        activity.done.lock().expect("sound").push(self.n);
        Ok(Next::Finished)
    }
}

impl Job for Chore {
    type Context = Activity;
    const KIND: &'static str = "chore";
    const LEASE_DURATION: Duration = Duration::from_millis(900);

    fn lane(&self) -> Option<String> {
        self.lane.clone()
    }

    fn retry(attempt: u32) -> Retry {
        if attempt < 3 {
            Retry::After(Duration::from_secs(10))
        } else {
            Retry::GiveUp
        }
    }

    async fn run(self, activity: &Activity, _: JobRun) -> Result<Next, JobError> {
        self.perform(activity).await
    }
}

impl Job for Interruptible {
    type Context = Activity;
    const KIND: &'static str = "interruptible";
    const QUEUE: Queue = Queue::General;
    const ON_DRAIN: OnDrain = OnDrain::HandBack;
    const SEALED: bool = false;

    async fn run(self, activity: &Activity, _: JobRun) -> Result<Next, JobError> {
        self.0.perform(activity).await
    }
}

pub(crate) fn keyring() -> Keyring {
    Keyring::parse("the session secret of the tests 0001").expect("a key")
}

pub(crate) async fn enqueue(store: &Store, job: &impl Job, now: Timestamp) {
    let row = job.to_row(&keyring(), now);
    store.enqueue(&row, now).await.expect("a store");
}

pub(crate) fn jobs(store: &Store, activity: &Arc<Activity>, pace: Pace) -> Jobs {
    let registry = Registry::new(Arc::new(keyring()))
        .with::<Chore>(Arc::clone(activity))
        .with::<Interruptible>(Arc::clone(activity));
    Jobs::new(store.clone(), registry, pace)
}

/// Workers poll once an hour, so that only a notification wakes them within a test.
pub(crate) const RARE_POLLING: Pace = Pace {
    poll_every: Duration::from_hours(1),
    poll_turns_every: Duration::from_hours(1),
    turn_workers: 1,
    drain_timeout: Duration::from_secs(20),
};

/// Starts the workers of one process.
pub(crate) fn start_workers(jobs: Jobs, lifecycle: &Lifecycle) -> JoinHandle<()> {
    tokio::spawn(jobs.run(Clock::System, lifecycle.clone()))
}

/// Waits until `happened` returns true, for 20 seconds at most.
pub(crate) async fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "{what}: it did not happen");
}

/// The number that a query returns.
pub(crate) async fn number(store: &Store, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    match store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
    }
    .expect("a number")
}

/// Executes one SQL statement.
pub(crate) async fn execute(store: &Store, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match store.pools() {
        Pools::Postgres(pool) => sqlx::query(sql).execute(pool).await.map(drop),
        Pools::Sqlite { writer, .. } => sqlx::query(sql).execute(writer).await.map(drop),
    }
    .expect("a statement");
}
