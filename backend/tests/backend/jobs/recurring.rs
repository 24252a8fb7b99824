//! Recurring jobs: all replicas share one job of each kind, which is scheduled again after each run.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::jobs::JobOutcome;

use rstest::rstest;

use super::support::{execute, number};
use crate::support::jobs::claim_all;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestApp};

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

async fn step(app: &TestApp, secs: u64) -> Option<JobOutcome> {
    app.jobs.step(at(secs)).await.expect("a store")
}

#[rstest]
#[tokio::test]
async fn recurring_jobs_are_scheduled_once_upkeep_runs_every_minute_and_cleaning_every_hour(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const DONE: Option<JobOutcome> = Some(JobOutcome::Done);
    let app = TestApp::new(engine).await;
    let jobs = &app.jobs;
    for secs in [0, 0, 1] {
        jobs.enqueue_recurring(at(secs)).await.expect("a store");
    }
    assert_eq!(number(&app.store, "select count(*) from jobs").await, 2);
    assert_eq!(
        app.store.unfinished_jobs().await.expect("a store"),
        0,
        "{}",
        app.kind
    );
    // An earlier version claims only these kinds, so it leaves the recurring jobs alone.
    let kinds = [
        "log_out",
        "delete_account",
        "delete_person",
        "delete_handle",
    ];
    assert!(claim_all(&app.store, &kinds, 10, at(0)).await.is_empty());
    for (secs, outcome) in [(0, DONE), (0, None), (59, None), (60, DONE), (60, None)] {
        assert_eq!(
            step(&app, secs).await,
            outcome,
            "after {secs} s on {}",
            app.kind
        );
    }
    // The start of another replica changes nothing.
    jobs.enqueue_recurring(at(100)).await.expect("a store");
    assert_eq!(step(&app, 100).await, None, "{}", app.kind);
    // The job that deletes old history runs for the first time after an hour.
    for (secs, outcome) in [(3_599, DONE), (3_599, None), (3_600, DONE), (3_600, None)] {
        assert_eq!(
            step(&app, secs).await,
            outcome,
            "after {secs} s on {}",
            app.kind
        );
    }
    let next = "select count(*) from jobs where attempts = 0 and locked_until is null";
    assert_eq!(number(&app.store, next).await, 2, "{}", app.kind);
}

#[rstest]
#[tokio::test]
async fn failing_upkeep_is_retried_every_minute_for_an_hour(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    app.jobs.enqueue_recurring(NOW).await.expect("a store");
    execute(&app.store, "alter table tombstones rename to renamed").await;
    for n in 0..60 {
        let outcome = step(&app, n * 60).await;
        assert_eq!(outcome, Some(JobOutcome::Postponed), "{n} on {}", app.kind);
    }
    execute(&app.store, "alter table renamed rename to tombstones").await;
    assert_eq!(
        step(&app, 3_600).await,
        Some(JobOutcome::Done),
        "{}",
        app.kind
    );
}

/// The process is killed during upkeep. Another replica takes the job over once the lease has expired.
#[rstest]
#[tokio::test]
async fn upkeep_of_a_killed_process_is_taken_over_after_its_lease(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    app.jobs.enqueue_recurring(NOW).await.expect("a store");
    let leases = [("upkeep", Duration::from_mins(2))].into();
    let claimed = app.store.claim_jobs("upkeep", &leases, 1, NOW).await;
    assert_eq!(claimed.expect("a store").len(), 1, "{}", app.kind);
    assert_eq!(step(&app, 119).await, None, "{}", app.kind);
    assert_eq!(
        step(&app, 120).await,
        Some(JobOutcome::Done),
        "{}",
        app.kind
    );
    assert_eq!(
        step(&app, 180).await,
        Some(JobOutcome::Done),
        "{}",
        app.kind
    );
}
