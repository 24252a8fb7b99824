//! Shutdown: workers claim no new jobs. Running jobs finish or are handed back to the queue.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::Clock;
use archety_backend::jobs::{Job, Pace};
use archety_backend::lifecycle::Lifecycle;
use archety_backend::store::Store;
use rstest::rstest;
use tokio::task::JoinHandle;

use super::support::{
    Act, Activity, Chore, Interruptible, RARE_POLLING, enqueue, jobs, number, start_workers,
    wait_until,
};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// Counts the jobs that are not claimed and have no counted attempt.
const UNCLAIMED: &str =
    "select count(*) from jobs where locked_until is null and attempts = 0 and dead_at is null";

/// Starts workers, and returns once they are running `job`.
async fn start_running(
    store: &Store,
    job: &impl Job,
    pace: Pace,
) -> (Arc<Activity>, Lifecycle, JoinHandle<()>) {
    let activity = Arc::<Activity>::default();
    let lifecycle = Lifecycle::new();
    enqueue(store, job, Clock::System.now()).await;
    let workers = start_workers(jobs(store, &activity, pace), &lifecycle);
    wait_until("the start of the job", || {
        !activity.begun.lock().expect("sound").is_empty()
    })
    .await;
    (activity, lifecycle, workers)
}

#[rstest]
#[tokio::test]
async fn on_drain_running_jobs_finish_and_no_new_job_is_claimed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let (activity, lifecycle, workers) =
        start_running(store, &Chore::new(1, Act::Wait), RARE_POLLING).await;
    lifecycle.start_draining();
    enqueue(store, &Chore::new(2, Act::Finish), Clock::System.now()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!workers.is_finished(), "{kind}");
    activity.gate.0.add_permits(1);
    workers.await.expect("no panic");
    assert_eq!(*activity.done.lock().expect("sound"), [1], "{kind}");
    assert_eq!(
        number(store, "select count(*) from jobs").await,
        1,
        "{kind}"
    );
    assert_eq!(
        number(store, UNCLAIMED).await,
        1,
        "the new job is not claimed, on {kind}"
    );
}

#[rstest]
#[tokio::test]
async fn a_job_that_exceeds_the_drain_timeout_is_handed_back_without_a_counted_attempt(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let pace = Pace {
        drain_timeout: Duration::from_millis(50),
        ..RARE_POLLING
    };
    let (activity, lifecycle, workers) =
        start_running(store, &Chore::new(1, Act::Wait), pace).await;
    lifecycle.start_draining();
    workers.await.expect("no panic");
    assert_eq!(*activity.stopped.lock().expect("sound"), [1], "{kind}");
    assert_eq!(number(store, UNCLAIMED).await, 1, "{kind}");
    // Another process can claim the job at once.
    activity.gate.0.add_permits(1);
    let next = jobs(store, &activity, RARE_POLLING)
        .step(Clock::System.now())
        .await;
    assert!(next.expect("a store").is_some(), "{kind}");
    assert_eq!(*activity.done.lock().expect("sound"), [1], "{kind}");
}

#[rstest]
#[tokio::test]
async fn an_interruptible_job_is_handed_back_at_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let job = Interruptible(Chore::new(1, Act::Wait));
    let (activity, lifecycle, workers) = start_running(store, &job, RARE_POLLING).await;
    lifecycle.start_draining();
    let ended = tokio::time::timeout(RARE_POLLING.drain_timeout / 2, workers).await;
    ended.expect("at once").expect("no panic");
    assert_eq!(*activity.stopped.lock().expect("sound"), [1], "{kind}");
    assert_eq!(number(store, UNCLAIMED).await, 1, "{kind}");
}
