//! Log-out jobs: each runs at least once, on one worker at a time, with a limited number of attempts.

use std::time::Duration;

use archety_backend::jobs::JobOutcome;
use archety_backend::keyring::Keyring;
use archety_backend::store::jobs::NewJob;
use http::Method;
use rstest::rstest;
use serde_json::json;
use supabase_stand_in::Fault;
use uuid::Uuid;

use crate::support::jobs::{LEASE, claim, give_up};

use super::support::{ADA, LOG_OUT, Pair, at_once};
use crate::support::{Engine, Postgres, Sqlite};

/// Replicas with `count` sessions that have ended at the backend and not yet at the provider.
async fn with_jobs(engine: Engine, count: usize) -> Pair {
    let pair = Pair::supabase(engine).await;
    let mut last = pair.first().signed_in(ADA).await;
    for _ in 1..count {
        last = pair.first().signed_in(ADA).await;
    }
    let body = json!({ "scope": "global" });
    let answer = last
        .call(pair.first(), Method::POST, "/auth/logout", Some(&body))
        .await;
    assert_eq!(answer.json()["ended"], count, "{}", answer.text());
    pair
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn workers_of_two_replicas_never_do_the_same_job(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = with_jobs(engine, 12).await;
    pair.provider()
        .faults()
        .times(12, LOG_OUT, Fault::HangAfter(Duration::from_millis(20)));
    let workers = at_once(8, |n| {
        let app = pair.replicas[n % 2].clone();
        async move {
            let mut done = 0;
            while app.jobs.step(app.clock.now()).await.expect("a step") == Some(JobOutcome::Done) {
                done += 1;
            }
            done
        }
    });
    assert_eq!(workers.await.iter().sum::<usize>(), 12, "{}", pair.kind());
    assert_eq!(pair.asked(LOG_OUT), 12, "{}", pair.kind());
    assert_eq!(pair.sessions_at_provider(ADA), 0);
    assert_eq!(pair.base.number("select count(*) from jobs").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_worker_that_died_holds_a_job_for_two_minutes(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = with_jobs(engine, 1).await;
    let store = &pair.base.store;
    let now = pair.first().clock.now();
    let dead = claim(store, &["log_out"], now).await.expect("a job");
    pair.advance(LEASE.saturating_sub(Duration::from_micros(1)));
    assert_eq!(pair.do_jobs().await, []);
    pair.advance(Duration::from_micros(1));
    let now = pair.first().clock.now();
    let taken = claim(store, &["log_out"], now).await.expect("a job");
    assert_eq!((taken.id, taken.attempts), (dead.id, 2));
    // The first worker was only slow. Its result is ignored.
    assert!(!store.finish_job(&dead).await.expect("a store"));
    assert!(!give_up(store, &dead, now).await);
    let mut slow = dead.clone();
    let renewed = store.renew_job(&mut slow, now.plus(LEASE)).await;
    assert!(!renewed.expect("a store"));
    assert_eq!(pair.do_jobs().await, [], "the second has it");
    assert_eq!(store.waiting_jobs().await.expect("a store"), 1);
    assert!(store.finish_job(&taken).await.expect("a store"));
    assert_eq!(pair.base.number("select count(*) from jobs").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_job_that_always_fails_stays_as_a_dead_letter(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = with_jobs(engine, 1).await;
    pair.provider().faults().always(LOG_OUT, Fault::html(502));
    for _ in 1..50 {
        assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
        pair.advance(Duration::from_hours(6));
    }
    assert_eq!(
        pair.do_jobs().await,
        [JobOutcome::DeadLetter],
        "{}",
        pair.kind()
    );
    pair.provider().faults().clear();
    pair.advance(Duration::from_hours(24));
    assert_eq!(pair.do_jobs().await, []);
    assert_eq!(pair.base.store.waiting_jobs().await.expect("a store"), 0);
    let dead = "select count(*) from jobs where dead_at is not null and attempts = 50";
    assert_eq!(pair.base.number(dead).await, 1, "{}", pair.kind());
}

/// In a rolling deployment, a later version may enqueue a kind of job that this version does not know.
#[rstest]
#[tokio::test]
async fn a_job_of_a_later_version_is_not_claimed(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = with_jobs(engine, 1).await;
    let now = pair.first().clock.now();
    let payload = b"sealed by a later version".to_vec();
    let later = NewJob::new(Uuid::from_u128(1), "dance", payload, now);
    let store = &pair.base.store;
    store.enqueue(&later, now).await.expect("a store");
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done], "{}", pair.kind());
    pair.advance(Duration::from_hours(24 * 30));
    assert_eq!(pair.do_jobs().await, []);
    let untouched = "select count(*) from jobs where dead_at is null and attempts = 0 \
                     and locked_until is null";
    assert_eq!(pair.base.number(untouched).await, 1, "{}", pair.kind());
    let now = pair.first().clock.now();
    let taken = claim(store, &["log_out", "dance"], now).await;
    assert_eq!(taken.expect("a job").id, later.id);
}

#[rstest]
#[tokio::test]
async fn a_payload_that_is_not_json_is_a_dead_letter_and_a_payload_with_missing_fields_is_retried(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let keyring = Keyring::parse("the session secret of the tests 0001").expect("a key");
    let now = pair.first().clock.now();
    let contents: [&[u8]; 2] = [b"{}", b"not JSON"];
    for (n, plain) in (1..).zip(contents) {
        let payload = keyring.seal("job", plain);
        let job = NewJob::new(Uuid::from_u128(n), "log_out", payload, now);
        let written = pair.base.store.enqueue(&job, now).await;
        written.expect("a store");
    }
    assert_eq!(
        pair.do_jobs().await,
        [JobOutcome::Postponed, JobOutcome::DeadLetter]
    );
    assert_eq!(pair.provider().requests().count("logout"), 0);
    let dead = "select count(*) from jobs where dead_at is not null";
    assert_eq!(pair.base.number(dead).await, 1, "{}", pair.kind());
}

#[rstest]
#[tokio::test]
async fn a_postponed_job_does_not_delay_other_jobs(#[values(Sqlite, Postgres)] engine: Engine) {
    let pair = with_jobs(engine, 4).await;
    pair.provider().faults().next(LOG_OUT, Fault::Drop);
    let outcomes = pair.do_jobs().await;
    assert_eq!(outcomes.len(), 4, "{}", pair.kind());
    assert_eq!(outcomes[0], JobOutcome::Postponed);
    assert_eq!(outcomes[1..], [JobOutcome::Done; 3]);
    assert_eq!(pair.sessions_at_provider(ADA), 1);
}
