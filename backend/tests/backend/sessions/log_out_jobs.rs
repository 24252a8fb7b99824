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

/// Replicas with `count` jobs, each for a session that has ended at the backend but not yet at the provider.
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
async fn eight_workers_of_two_replicas_do_each_job_once(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
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
    assert_eq!(pair.request_count(LOG_OUT), 12, "{}", pair.kind());
    assert_eq!(pair.sessions_at_provider(ADA), 0);
    assert_eq!(pair.base.number("select count(*) from jobs").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_job_is_claimed_again_once_its_lease_expires_and_the_first_workers_result_is_ignored(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = with_jobs(engine, 1).await;
    let store = &pair.base.store;
    let now = pair.first().clock.now();
    let first_claim = claim(store, &["log_out"], now).await.expect("a job");
    pair.advance(LEASE.saturating_sub(Duration::from_micros(1)));
    assert_eq!(pair.do_jobs().await, []);
    pair.advance(Duration::from_micros(1));
    let now = pair.first().clock.now();
    let second_claim = claim(store, &["log_out"], now).await.expect("a job");
    assert_eq!(
        (second_claim.id, second_claim.attempts),
        (first_claim.id, 2)
    );
    // The first worker is not dead but slow, and can neither finish, give up nor renew the job.
    assert!(!store.finish_job(&first_claim).await.expect("a store"));
    assert!(!give_up(store, &first_claim, now).await);
    let mut expired = first_claim.clone();
    let renewed = store.renew_job(&mut expired, now.plus(LEASE)).await;
    assert!(!renewed.expect("a store"));
    assert_eq!(pair.do_jobs().await, [], "the second worker holds the job");
    assert_eq!(store.unfinished_jobs().await.expect("a store"), 1);
    assert!(store.finish_job(&second_claim).await.expect("a store"));
    assert_eq!(pair.base.number("select count(*) from jobs").await, 0);
}

#[rstest]
#[tokio::test]
async fn a_job_that_fails_fifty_times_stays_as_a_dead_letter(
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
    assert_eq!(pair.base.store.unfinished_jobs().await.expect("a store"), 0);
    let dead = "select count(*) from jobs where dead_at is not null and attempts = 50";
    assert_eq!(pair.base.number(dead).await, 1, "{}", pair.kind());
}

/// In a rolling deployment, a later version may enqueue a kind of job that this version does not know.
#[rstest]
#[tokio::test]
async fn a_job_of_a_kind_that_this_version_does_not_know_is_not_claimed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
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
