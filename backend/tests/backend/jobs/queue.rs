//! The queue: which jobs a worker may claim, in which order, and how jobs with the same key are merged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::store::Store;
use archety_backend::store::jobs::{NewJob, PutBack};
use rstest::rstest;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::number;
use crate::support::jobs::{LEASE, claim, claim_all, give_up, postpone};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const KINDS: [&str; 2] = ["reply", "other"];

fn job(n: u128, kind: &'static str) -> NewJob {
    NewJob::new(Uuid::from_u128(n), kind, n.to_string().into_bytes(), NOW)
}

fn in_lane(n: u128, lane: &str) -> NewJob {
    let mut job = job(n, "reply");
    job.lane = Some(lane.to_owned());
    job
}

fn keyed(n: u128, key: &str) -> NewJob {
    let mut job = job(n, "reply");
    job.dedupe_key = Some(key.to_owned());
    job
}

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

async fn enqueue(store: &Store, jobs: impl IntoIterator<Item = NewJob>) {
    for job in jobs {
        store.enqueue(&job, NOW).await.expect("a store");
    }
}

/// Claims all due jobs and returns their numbers, sorted.
async fn claimed(store: &Store, now: Timestamp) -> Vec<u128> {
    let all = claim_all(store, &KINDS, 100, now).await;
    let mut numbers: Vec<u128> = all.iter().map(|job| job.id.as_u128()).collect();
    numbers.sort_unstable();
    numbers
}

#[rstest]
#[tokio::test]
async fn a_claim_takes_due_jobs_up_to_its_limit_and_urgent_jobs_first(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let mut urgent = job(3, "reply").at(at(2));
    urgent.priority = 1;
    let later = job(4, "reply").at(at(10));
    let mut other_queue = job(5, "reply");
    other_queue.queue = "upkeep";
    enqueue(
        store,
        [
            job(1, "reply").at(at(1)),
            job(2, "other"),
            urgent,
            later,
            other_queue,
        ],
    )
    .await;
    let one = claim(store, &KINDS, at(2)).await.expect("a job");
    assert_eq!((one.id.as_u128(), one.attempts), (3, 1), "{kind}");
    assert_eq!((one.run_at, one.locked_until), (at(2), at(2).plus(LEASE)));
    assert_eq!(one.payload, b"3");
    let next = claim(store, &KINDS, at(2)).await.expect("a job");
    assert_eq!(
        next.id.as_u128(),
        2,
        "the job that has waited longest, on {kind}"
    );
    let other_kind = claim(store, &["other"], at(2)).await;
    assert!(
        other_kind.is_none(),
        "another kind is not claimed on {kind}"
    );
    assert_eq!(claimed(store, at(2)).await, [1], "{kind}");
    assert_eq!(claimed(store, at(9)).await, [], "{kind}");
    assert_eq!(claimed(store, at(10)).await, [4], "{kind}");
}

#[rstest]
#[tokio::test]
async fn each_kind_has_its_own_lease(#[values(Sqlite, Postgres)] engine: Engine) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    enqueue(store, [job(1, "reply"), job(2, "other")]).await;
    let leases = [("reply", Duration::from_secs(15)), ("other", LEASE)].into();
    let claimed = store.claim_jobs("general", &leases, 10, NOW).await;
    let mut held: Vec<_> = (claimed.expect("a store").into_iter())
        .map(|job| (job.kind, job.locked_until))
        .collect();
    held.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    let expected = [("reply", at(15)), ("other", NOW.plus(LEASE))];
    assert_eq!(
        held,
        expected.map(|(kind, until)| (kind.to_owned(), until)),
        "{kind}"
    );
}

#[rstest]
#[tokio::test]
async fn a_renewed_job_stays_claimed_and_a_released_job_is_claimed_again(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    enqueue(store, [job(1, "reply")]).await;
    let mut held = claim(store, &KINDS, NOW).await.expect("a job");
    assert!(store.renew_job(&mut held, at(600)).await.expect("a store"));
    assert_eq!(claimed(store, at(599)).await, [], "{kind}");
    let back = PutBack {
        run_at: held.run_at,
        attempts: held.attempts - 1,
        dead_at: None,
    };
    assert!(store.put_job_back(&held, back).await.expect("a store"));
    let again = claim(store, &KINDS, at(1)).await.expect("a job");
    assert_eq!((again.attempts, again.run_at), (1, NOW), "{kind}");
    assert!(postpone(store, &again, at(30)).await);
    let second = claim(store, &KINDS, at(30)).await.expect("a job");
    assert_eq!(second.attempts, 2, "{kind}");
    // The process is killed. Once its lease has expired, another process claims the job.
    let third = claim(store, &KINDS, at(30).plus(LEASE))
        .await
        .expect("a job");
    assert_eq!(third.attempts, 3, "{kind}");
    let mut late = second.clone();
    assert!(
        !store
            .renew_job(&mut late, at(9_000))
            .await
            .expect("a store")
    );
    assert!(!store.finish_job(&second).await.expect("a store"));
    assert!(!postpone(store, &second, NOW).await);
    assert!(store.finish_job(&third).await.expect("a store"));
    assert!(!store.finish_job(&third).await.expect("a store"), "twice");
    assert_eq!(store.unfinished_jobs().await.expect("a store"), 0, "{kind}");
}

#[rstest]
#[tokio::test]
async fn a_lane_runs_one_job_at_a_time_in_the_order_of_enqueueing(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    // The jobs of lane `a` have descending ids. The first two are enqueued at the same moment, the third by a
    // replica whose clock is behind.
    enqueue(
        store,
        [
            in_lane(9, "a"),
            in_lane(5, "a"),
            in_lane(7, "b"),
            job(8, "reply"),
        ],
    )
    .await;
    let earlier = NOW.minus(Duration::from_secs(3));
    let third = in_lane(1, "a").at(earlier);
    store.enqueue(&third, earlier).await.expect("a store");
    assert_eq!(claimed(store, NOW).await, [7, 8, 9], "{kind}");
    assert_eq!(claimed(store, at(1)).await, [], "{kind}");
    // A job that waits for a retry blocks its lane. So does a job whose worker has died.
    let first = claim(store, &KINDS, at(120)).await.expect("a job");
    let others = claim_all(store, &KINDS, 100, at(120)).await;
    let first = [vec![first], others].concat().into_iter();
    let first = first
        .into_iter()
        .find(|job| job.id.as_u128() == 9)
        .expect("the first");
    assert!(postpone(store, &first, at(300)).await);
    assert_eq!(claimed(store, at(200)).await, [], "{kind}");
    let first = claim_all(store, &KINDS, 100, at(300)).await;
    let first = first
        .iter()
        .find(|job| job.id.as_u128() == 9)
        .expect("the first");
    // A dead letter does not block its lane.
    assert!(give_up(store, first, at(300)).await);
    let second = claim(store, &["reply"], at(301)).await.expect("a job");
    assert_eq!(second.id.as_u128(), 5, "{kind}");
    assert_eq!(claimed(store, at(302)).await, [], "{kind}");
    assert!(store.finish_job(&second).await.expect("a store"));
    assert_eq!(claimed(store, at(302)).await, [1], "{kind}");
}

#[rstest]
#[tokio::test]
async fn one_job_waits_for_each_key_and_one_more_while_the_first_runs(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    let mut other = job(4, "other");
    other.dedupe_key = Some("a".to_owned());
    enqueue(store, [keyed(1, "a"), keyed(2, "a"), keyed(3, "b"), other]).await;
    let first = claim_all(store, &KINDS, 100, NOW).await;
    let numbers: Vec<u128> = first.iter().map(|job| job.id.as_u128()).collect();
    assert_eq!(numbers.len(), 3, "{numbers:?} on {kind}");
    assert!(!numbers.contains(&2), "{numbers:?} on {kind}");
    // A job enqueued while the first one runs is run after the first, even if the first is retried.
    enqueue(store, [keyed(5, "a"), keyed(6, "a")]).await;
    let one = first
        .iter()
        .find(|job| job.id.as_u128() == 1)
        .expect("the first");
    assert!(postpone(store, one, at(1)).await);
    assert_eq!(claimed(store, at(1)).await, [1, 5], "{kind}");
}

#[rstest]
#[tokio::test]
async fn a_waiting_job_is_replaced_and_postponed_only_by_a_job_that_is_pushing_out(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let TestStore { store, kind, .. } = &TestStore::new(engine).await;
    enqueue(store, [keyed(1, "a").at(at(5)), keyed(2, "b").at(at(5))]).await;
    enqueue(
        store,
        [
            keyed(3, "a").at(at(8)).replacing_waiting(),
            keyed(4, "b").at(at(8)),
        ],
    )
    .await;
    let stayed = claim_all(store, &KINDS, 100, at(7)).await;
    let [stayed] = &stayed[..] else {
        panic!("{stayed:?} on {kind}");
    };
    assert_eq!(
        (stayed.id.as_u128(), &stayed.payload[..]),
        (2, &b"2"[..]),
        "{kind}"
    );
    let pushed = claim(store, &KINDS, at(8)).await.expect("a job");
    assert_eq!(
        (pushed.id.as_u128(), &pushed.payload[..]),
        (1, &b"3"[..]),
        "{kind}"
    );
    // A running job is not postponed.
    enqueue(store, [keyed(5, "a").at(at(9)).replacing_waiting()]).await;
    assert_eq!(claimed(store, at(9)).await, [5], "{kind}");
    let number = store.unfinished_jobs().await.expect("a store");
    assert_eq!(number, 3, "{kind}");
}

/// Two replicas enqueue to each lane and claim from it at the same time. Each job is claimed exactly once, and
/// no lane has two running jobs.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lanes_stay_in_order_while_two_replicas_enqueue_and_claim(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    const LANES: u8 = 4;
    const JOBS_PER_WRITER: u8 = 15;
    const TOTAL: usize = LANES as usize * 2 * JOBS_PER_WRITER as usize;
    let base = TestStore::new(engine).await;
    let replicas = [base.store.clone(), base.second().await];
    let mut tasks = JoinSet::new();
    for (lane, writer) in (0..LANES).flat_map(|lane| [(lane, 0_u8), (lane, 1)]) {
        let store = replicas[usize::from(writer)].clone();
        tasks.spawn(async move {
            for n in 0..JOBS_PER_WRITER {
                // The job with the smaller id is enqueued later.
                let id = u128::from_be_bytes(
                    [lane, writer, JOBS_PER_WRITER - n, 1]
                        .repeat(4)
                        .try_into()
                        .expect("16"),
                );
                let mut job = in_lane(id, &lane.to_string());
                job.payload = vec![lane, writer, n];
                store.enqueue(&job, NOW).await.expect("a store");
            }
        });
    }
    let done = Arc::<Mutex<Vec<Vec<u8>>>>::default();
    let running = Arc::<Mutex<Vec<u16>>>::default();
    for n in 0..4 {
        let (store, done, running) = (replicas[n % 2].clone(), done.clone(), running.clone());
        tasks.spawn(async move {
            while done.lock().expect("sound").len() < TOTAL {
                for job in claim_all(&store, &KINDS, 2, NOW).await {
                    let lane = u16::from(job.payload[0]);
                    let running_in_lane = {
                        let mut running = running.lock().expect("sound");
                        running.push(lane);
                        running.iter().filter(|other| **other == lane).count()
                    };
                    assert_eq!(running_in_lane, 1);
                    done.lock().expect("sound").push(job.payload.clone());
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    running
                        .lock()
                        .expect("sound")
                        .retain(|other| *other != lane);
                    assert!(store.finish_job(&job).await.expect("a store"));
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no panic");
    }
    let done = done.lock().expect("sound");
    assert_eq!(done.len(), TOTAL, "{}", base.kind);
    for (lane, writer) in (0..LANES).flat_map(|lane| [(lane, 0_u8), (lane, 1)]) {
        let written = done.iter().filter(|payload| payload[..2] == [lane, writer]);
        let order: Vec<u8> = written.map(|payload| payload[2]).collect();
        assert!(order.is_sorted(), "{order:?} on {}", base.kind);
        assert_eq!(order.len(), usize::from(JOBS_PER_WRITER), "{}", base.kind);
    }
}

/// Without this wait, a job enqueued first could become visible second and run beside its successor in the lane.
#[tokio::test]
async fn enqueueing_to_a_lane_waits_for_uncommitted_jobs_of_that_lane() {
    let base = TestStore::postgres().await;
    let store = base.store.clone();
    let mut earlier = store.pools().begin_write().await.expect("a store");
    let held = sqlx::query("select pg_advisory_xact_lock(hashtextextended('a', 0))")
        .execute(earlier.postgres().expect("Postgres"));
    held.await.expect("the lock of the lane");
    let later = tokio::spawn({
        let store = store.clone();
        async move { enqueue(&store, [in_lane(1, "a")]).await }
    });
    let lock_waits = "select count(*) from pg_locks l join pg_database d on d.oid = l.database
        where d.datname = current_database() and l.locktype = 'advisory' and not l.granted";
    let waiting = async {
        while number(&store, lock_waits).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.expect("the second writer waits");
    enqueue(&store, [in_lane(2, "b")]).await;
    assert_eq!(claimed(&store, NOW).await, [2], "another lane is free");
    earlier.commit().await.expect("a store");
    later.await.expect("no panic");
    assert_eq!(claimed(&store, NOW).await, [1]);
}
