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
    Act, Chore, Interruptible, SELDOM, World, enqueue, jobs, number, start, until,
};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

const HANDED_BACK: &str =
    "select count(*) from jobs where locked_until is null and attempts = 0 and dead_at is null";

/// Starts workers, and returns once they are running `job`.
async fn start_running(
    store: &Store,
    job: &impl Job,
    pace: Pace,
) -> (Arc<World>, Lifecycle, JoinHandle<()>) {
    let world = Arc::<World>::default();
    let lifecycle = Lifecycle::new();
    enqueue(store, job, Clock::System.now()).await;
    let workers = start(jobs(store, &world, pace), &lifecycle);
    until("the beginning", || {
        !world.begun.lock().expect("sound").is_empty()
    })
    .await;
    (world, lifecycle, workers)
}

#[rstest]
#[tokio::test]
async fn on_drain_running_jobs_finish_and_no_new_job_is_claimed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let (world, lifecycle, workers) = start_running(store, &Chore::new(1, Act::Wait), SELDOM).await;
    lifecycle.start_draining();
    enqueue(store, &Chore::new(2, Act::Finish), Clock::System.now()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!workers.is_finished(), "{kind}");
    world.gate.0.add_permits(1);
    workers.await.expect("no panic");
    assert_eq!(*world.done.lock().expect("sound"), [1], "{kind}");
    assert_eq!(
        number(store, "select count(*) from jobs").await,
        1,
        "{kind}"
    );
    assert_eq!(
        number(store, HANDED_BACK).await,
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
        ..SELDOM
    };
    let (world, lifecycle, workers) = start_running(store, &Chore::new(1, Act::Wait), pace).await;
    lifecycle.start_draining();
    workers.await.expect("no panic");
    assert_eq!(*world.stopped.lock().expect("sound"), [1], "{kind}");
    assert_eq!(number(store, HANDED_BACK).await, 1, "{kind}");
    // Another process can claim the job at once.
    world.gate.0.add_permits(1);
    let next = jobs(store, &world, SELDOM).step(Clock::System.now()).await;
    assert!(next.expect("a store").is_some(), "{kind}");
    assert_eq!(*world.done.lock().expect("sound"), [1], "{kind}");
}

#[rstest]
#[tokio::test]
async fn an_interruptible_job_is_handed_back_at_once(#[values(Sqlite, Postgres)] engine: Engine) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let job = Interruptible(Chore::new(1, Act::Wait));
    let (world, lifecycle, workers) = start_running(store, &job, SELDOM).await;
    lifecycle.start_draining();
    let ended = tokio::time::timeout(SELDOM.drain_timeout / 2, workers).await;
    ended.expect("at once").expect("no panic");
    assert_eq!(*world.stopped.lock().expect("sound"), [1], "{kind}");
    assert_eq!(number(store, HANDED_BACK).await, 1, "{kind}");
}
