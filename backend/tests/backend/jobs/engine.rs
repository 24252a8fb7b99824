//! Attempts of jobs: success, failure, panic and loss of the lease.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archety_backend::clock::{Clock, Timestamp};
use archety_backend::jobs::{JobOutcome, Pace};
use archety_backend::lifecycle::Lifecycle;
use archety_backend::store::jobs::NewJob;
use archety_backend::telemetry::process_metrics;
use rstest::rstest;
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

use super::support::{
    Act, Activity, Chore, enqueue, execute, jobs, number, start_workers, wait_until,
};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

#[rstest]
#[tokio::test]
async fn a_failed_job_is_postponed_set_aside_or_becomes_a_dead_letter_as_its_rule_or_error_says(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let jobs = jobs(store, &Arc::default(), Pace::default());
    enqueue(store, &Chore::new(1, Act::Fail), NOW).await;
    for (secs, outcome) in [
        (0, Some(JobOutcome::Postponed)),
        (9, None),
        (10, Some(JobOutcome::Postponed)),
        (20, Some(JobOutcome::DeadLetter)),
        (9_000, None),
    ] {
        let stepped = jobs.step(at(secs)).await.expect("a store");
        assert_eq!(stepped, outcome, "after {secs} s on {kind}");
    }
    enqueue(store, &Chore::new(2, Act::FailFor(3)), NOW).await;
    enqueue(
        store,
        &Chore::new(3, Act::Refuse),
        NOW.plus(Duration::from_micros(1)),
    )
    .await;
    enqueue(
        store,
        &Chore::new(4, Act::SetAside),
        NOW.plus(Duration::from_micros(2)),
    )
    .await;
    for (secs, outcome) in [
        (1, Some(JobOutcome::Postponed)),
        (1, Some(JobOutcome::DeadLetter)),
        (1, Some(JobOutcome::SetAside)),
        (3, None),
        (4, Some(JobOutcome::Postponed)),
    ] {
        let stepped = jobs.step(at(secs)).await.expect("a store");
        assert_eq!(stepped, outcome, "after {secs} s on {kind}");
    }
    let set_aside = "select count(*) from jobs where kind = 'for_the_operator' and dead_at is null";
    assert_eq!(number(store, set_aside).await, 1, "{kind}");
}

/// A panic counts as a failed attempt of the job. The worker keeps running.
#[rstest]
#[tokio::test]
async fn a_panicking_job_is_retried_and_its_worker_keeps_running(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let metrics = process_metrics();
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let activity = Arc::<Activity>::default();
    let frequent_polling = Pace {
        poll_every: Duration::from_millis(10),
        ..Pace::default()
    };
    let jobs = || jobs(store, &activity, frequent_polling);
    let lifecycle = Lifecycle::new();
    let now = Clock::System.now();
    enqueue(store, &Chore::new(1, Act::Panic), now).await;
    let workers = start_workers(jobs(), &lifecycle);
    let count = || activity.begun.lock().expect("sound").len();
    wait_until("the panic", || count() == 1).await;
    enqueue(store, &Chore::new(2, Act::Finish), now).await;
    let is_done = || activity.done.lock().expect("sound").contains(&2);
    wait_until("the end of the other job", is_done).await;
    lifecycle.start_draining();
    workers.await.expect("the worker lives");
    assert_eq!(
        number(store, "select sum(attempts) from jobs").await,
        1,
        "{kind}"
    );
    let later = |secs| now.plus(Duration::from_secs(secs));
    let second = jobs().step(later(60)).await.expect("a store");
    assert_eq!(second, Some(JobOutcome::Postponed), "{kind}");
    let third = jobs().step(later(120)).await.expect("a store");
    assert_eq!(third, Some(JobOutcome::DeadLetter), "{kind}");
    let dead = "select count(*) from jobs where dead_at is not null";
    assert_eq!(number(store, dead).await, 1, "{kind}");
    let metrics_text = metrics.render();
    assert!(
        metrics_text.contains(r#"jobs_total{kind="chore",outcome="buried"}"#),
        "{metrics_text}"
    );
}

#[rstest]
#[tokio::test]
async fn a_lease_is_renewed_while_the_job_runs(#[values(Sqlite, Postgres)] engine: Engine) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let activity = Arc::<Activity>::default();
    let lifecycle = Lifecycle::new();
    enqueue(store, &Chore::new(1, Act::Wait), Clock::System.now()).await;
    let workers = start_workers(jobs(store, &activity, Pace::default()), &lifecycle);
    wait_until("the start of the job", || {
        !activity.begun.lock().expect("sound").is_empty()
    })
    .await;
    let held_until = match kind {
        &"postgres" => "select (extract(epoch from locked_until) * 1000000)::bigint from jobs",
        _ => "select locked_until from jobs",
    };
    let first = number(store, held_until).await;
    for _ in 0..2 {
        let begun = number(store, held_until).await;
        while number(store, held_until).await == begun {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(number(store, held_until).await > first, "{kind}");
    activity.gate.0.add_permits(1);
    lifecycle.start_draining();
    workers.await.expect("no panic");
    assert_eq!(*activity.done.lock().expect("sound"), [1], "{kind}");
    assert_eq!(
        number(store, "select count(*) from jobs").await,
        0,
        "{kind}"
    );
}

/// A process that was suspended past its lease must stop the job, because another process runs it now.
#[rstest]
#[tokio::test]
async fn a_job_that_loses_its_lease_is_stopped_and_another_worker_finishes_it_once(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let activity = Arc::<Activity>::default();
    enqueue(store, &Chore::new(1, Act::Wait), NOW).await;
    let slow = jobs(store, &activity, Pace::default());
    let slow = tokio::spawn(async move { slow.step(NOW).await.expect("a store") });
    wait_until("the start of the job", || {
        !activity.begun.lock().expect("sound").is_empty()
    })
    .await;
    let other = jobs(store, &activity, Pace::default());
    let other = tokio::spawn(async move { other.step(at(1)).await.expect("a store") });
    assert_eq!(
        slow.await.expect("no panic"),
        Some(JobOutcome::Lost),
        "{kind}"
    );
    wait_until("the stop of the job", || {
        *activity.stopped.lock().expect("sound") == [1]
    })
    .await;
    assert_eq!(
        number(store, "select sum(attempts) from jobs").await,
        2,
        "{kind}"
    );
    activity.gate.0.add_permits(1);
    assert_eq!(
        other.await.expect("no panic"),
        Some(JobOutcome::Done),
        "{kind}"
    );
    assert_eq!(
        *activity.done.lock().expect("sound"),
        [1],
        "once, on {kind}"
    );
}

#[rstest]
#[tokio::test]
async fn a_job_finished_after_its_lease_was_lost_does_not_complete_the_other_workers_attempt(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let activity = Arc::<Activity>::default();
    enqueue(store, &Chore::new(1, Act::Wait), NOW).await;
    let slow = jobs(store, &activity, Pace::default());
    let slow = tokio::spawn(async move { slow.step(NOW).await.expect("a store") });
    wait_until("the start of the job", || {
        !activity.begun.lock().expect("sound").is_empty()
    })
    .await;
    let other = match kind {
        &"postgres" => "update jobs set locked_until = locked_until + interval '1 minute'",
        _ => "update jobs set locked_until = locked_until + 60000000",
    };
    execute(store, other).await;
    activity.gate.0.add_permits(1);
    assert_eq!(
        slow.await.expect("no panic"),
        Some(JobOutcome::Lost),
        "{kind}"
    );
    assert_eq!(
        number(store, "select count(*) from jobs").await,
        1,
        "{kind}"
    );
}

#[rstest]
#[tokio::test]
async fn an_unsealed_payload_is_read_an_empty_one_is_a_dead_letter_and_an_unknown_one_is_postponed(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let activity = Arc::<Activity>::default();
    let jobs = jobs(store, &activity, Pace::default());
    let payloads = [
        (r#"{"n":7,"act":"Finish","lane":null}"#, JobOutcome::Done),
        ("", JobOutcome::DeadLetter),
        (
            r#"{"n":7,"act":"Dance","lane":null}"#,
            JobOutcome::Postponed,
        ),
    ];
    for (n, (payload, outcome)) in (1..).zip(payloads) {
        let payload = payload.as_bytes().to_vec();
        let row = NewJob::new(Uuid::from_u128(n), "interruptible", payload, NOW);
        store.enqueue(&row, NOW).await.expect("a store");
        assert_eq!(
            jobs.step(NOW).await.expect("a store"),
            Some(outcome),
            "{n} on {kind}"
        );
    }
    assert_eq!(*activity.done.lock().expect("sound"), [7], "{kind}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("sound").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The span in which the worker runs is not one of the job's spans.
#[tokio::test]
async fn log_lines_of_a_job_have_one_span_with_its_kind_id_and_attempt() {
    let TestStore { store, .. } = &TestStore::sqlite().await;
    let jobs = jobs(store, &Arc::default(), Pace::default());
    // Without this step, another test's thread could reach the log statement first, while no subscriber is
    // registered. Tracing would then keep the statement disabled.
    enqueue(store, &Chore::new(0, Act::Finish), NOW).await;
    let stepped = jobs.step(NOW).await.expect("a store");
    assert_eq!(stepped, Some(JobOutcome::Done));
    let log = Log::default();
    let json = tracing_subscriber::fmt().json().with_writer(log.clone());
    let _guard = tracing::subscriber::set_default(json.finish());
    let row = NewJob {
        id: Uuid::from_u128(7),
        ..archety_backend::jobs::Job::to_row(
            &Chore::new(1, Act::Finish),
            &super::support::keyring(),
            NOW,
        )
    };
    store.enqueue(&row, NOW).await.expect("a store");
    // A thread that registers the callsite of the `job` span while a subscriber is added may leave the span
    // disabled. This evaluates every callsite again.
    tracing::callsite::rebuild_interest_cache();
    let outer = tracing::info_span!("outer");
    let stepped = tracing::Instrument::instrument(jobs.step(NOW), outer).await;
    assert_eq!(stepped.expect("a store"), Some(JobOutcome::Done));
    let log = String::from_utf8(log.0.lock().expect("sound").clone()).expect("text");
    let line = log.lines().find(|line| line.contains("the chore is done"));
    let line: serde_json::Value = serde_json::from_str(line.expect("a line")).expect("JSON");
    let spans = line["spans"].as_array().expect("spans");
    assert_eq!(spans.len(), 1, "{line}");
    let span = &spans[0];
    assert_eq!(
        (&span["name"], &span["kind"]),
        (&"job".into(), &"chore".into())
    );
    assert_eq!(span["id"], Uuid::from_u128(7).to_string());
    assert_eq!(span["attempt"], 1);
}
