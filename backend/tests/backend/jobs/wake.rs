//! A committed job wakes the workers of all processes. Polling finds the jobs that woke no worker.

use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::Clock;
use archety_backend::jobs::{Job, Pace};
use archety_backend::lifecycle::Lifecycle;
use archety_backend::store::Store;

use rstest::rstest;

use super::support::{
    Act, Activity, Chore, Pools, RARE_POLLING, enqueue, jobs, keyring, number, start_workers,
    wait_until,
};
use crate::support::{Engine, Postgres, Sqlite, TestStore};

/// Waits until a connection listens for notifications of other processes (Postgres only).
async fn wait_for_listener(store: &Store) {
    if let Pools::Postgres(_) = store.pools() {
        let listening = "select count(*) from pg_stat_activity
            where datname = current_database() and query ilike 'listen%'";
        while number(store, listening).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[rstest]
#[tokio::test]
async fn each_enqueued_job_wakes_a_worker_and_on_postgres_a_worker_of_another_process(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let (enqueuing, working) = (base.store.clone(), base.second().await);
    let activity = Arc::<Activity>::default();
    let lifecycle = Lifecycle::new();
    let workers = start_workers(jobs(&working, &activity, RARE_POLLING), &lifecycle);
    wait_for_listener(&enqueuing).await;
    for n in 1..=3 {
        enqueue(&enqueuing, &Chore::new(n, Act::Finish), Clock::System.now()).await;
        let is_done = || activity.done.lock().expect("sound").contains(&n);
        wait_until("the end of the job", is_done).await;
    }
    lifecycle.start_draining();
    workers.await.expect("no panic");
}

/// There are more jobs than workers, and half of the jobs share a lane, so the end of a job must wake a worker.
#[rstest]
#[tokio::test]
async fn the_end_of_a_job_wakes_a_worker_for_the_next_job(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let activity = Arc::<Activity>::default();
    let lifecycle = Lifecycle::new();
    for n in 0..20 {
        let mut chore = Chore::new(n, Act::Finish);
        chore.lane = (n % 2 == 0).then(|| "a".to_owned());
        enqueue(&base.store, &chore, Clock::System.now()).await;
    }
    let workers = start_workers(jobs(&base.store, &activity, RARE_POLLING), &lifecycle);
    wait_until("the end of all jobs", || {
        activity.done.lock().expect("sound").len() == 20
    })
    .await;
    lifecycle.start_draining();
    workers.await.expect("no panic");
    let done = activity.done.lock().expect("sound");
    let lane: Vec<_> = done.iter().filter(|n| *n % 2 == 0).collect();
    assert!(lane.is_sorted(), "{done:?} on {}", base.kind);
}

#[rstest]
#[tokio::test]
async fn a_job_without_a_notification_and_a_job_due_later_are_found_by_polling(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let activity = Arc::<Activity>::default();
    let lifecycle = Lifecycle::new();
    let now = Clock::System.now();
    let frequent_polling = Pace {
        poll_every: Duration::from_millis(50),
        ..RARE_POLLING
    };
    let workers = start_workers(jobs(&base.store, &activity, frequent_polling), &lifecycle);
    // `enqueue_once` wakes no worker, neither here nor in other processes.
    let row = Chore::new(1, Act::Finish).to_row(&keyring(), now);
    base.store.enqueue_once(&row, now).await.expect("a store");
    wait_until("the end of the job", || {
        *activity.done.lock().expect("sound") == [1]
    })
    .await;
    // Polling also finds a job that is due later.
    let row = Chore::new(2, Act::Finish).to_row(&keyring(), now);
    let later = row.at(Clock::System.now().plus(Duration::from_millis(100)));
    base.store.enqueue(&later, now).await.expect("a store");
    wait_until("the end of the job", || {
        *activity.done.lock().expect("sound") == [1, 2]
    })
    .await;
    lifecycle.start_draining();
    workers.await.expect("no panic");
}

#[tokio::test]
async fn a_lost_listener_connection_is_replaced_and_jobs_enqueued_meanwhile_are_found() {
    let base = TestStore::postgres().await;
    let database = base.database.as_ref().expect("a Postgres database");
    let working = base.second().await;
    let activity = Arc::<Activity>::default();
    let lifecycle = Lifecycle::new();
    let workers = start_workers(jobs(&working, &activity, RARE_POLLING), &lifecycle);
    wait_for_listener(&base.store).await;
    database.cut_connections().await;
    // The new listener connection wakes the workers, which find this job.
    enqueue(
        &base.store,
        &Chore::new(1, Act::Finish),
        Clock::System.now(),
    )
    .await;
    wait_until("the end of the first job", || {
        *activity.done.lock().expect("sound") == [1]
    })
    .await;
    wait_for_listener(&base.store).await;
    enqueue(
        &base.store,
        &Chore::new(2, Act::Finish),
        Clock::System.now(),
    )
    .await;
    wait_until("the end of the second job", || {
        *activity.done.lock().expect("sound") == [1, 2]
    })
    .await;
    lifecycle.start_draining();
    workers.await.expect("no panic");
}
