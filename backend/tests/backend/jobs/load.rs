//! Two replicas run a thousand due jobs within ten seconds: each job once, and each lane in order.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archety_backend::clock::Clock;
use archety_backend::lifecycle::Lifecycle;

use super::support::{
    Act, Activity, Chore, RARE_POLLING, enqueue, jobs, number, start_workers, wait_until,
};
use crate::support::TestStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_replicas_run_a_thousand_jobs_once_each_and_lanes_in_order_within_ten_seconds() {
    const COUNT: usize = 1_000;
    const LANES: usize = 10;
    let base = TestStore::postgres().await;
    let now = Clock::System.now();
    // Half of the jobs are in lanes.
    for n in 0..COUNT {
        let mut chore = Chore::new(n, Act::Finish);
        chore.lane = (n % 2 == 0).then(|| (n / 2 % LANES).to_string());
        enqueue(&base.store, &chore, now).await;
    }
    let activity = Arc::<Activity>::default();
    let lifecycle = Lifecycle::new();
    let begun = Instant::now();
    let workers = [base.store.clone(), base.second().await]
        .map(|store| start_workers(jobs(&store, &activity, RARE_POLLING), &lifecycle));
    wait_until("the end of all jobs", || {
        activity.done.lock().expect("sound").len() >= COUNT
    })
    .await;
    let duration = begun.elapsed();
    lifecycle.start_draining();
    for worker in workers {
        worker.await.expect("no panic");
    }
    let per_sec = (COUNT as u128) * 1_000 / duration.as_millis().max(1);
    eprintln!("{COUNT} jobs on two replicas in {duration:?}: {per_sec} a second");
    assert!(duration < Duration::from_secs(10), "{per_sec} a second");
    assert_eq!(number(&base.store, "select count(*) from jobs").await, 0);
    let done = activity.done.lock().expect("sound");
    assert_eq!(done.iter().collect::<HashSet<_>>().len(), COUNT);
    assert_eq!(done.len(), COUNT, "no job runs twice");
    for lane in 0..LANES {
        let order: Vec<_> = done
            .iter()
            .filter(|n| *n % 2 == 0 && *n / 2 % LANES == lane)
            .collect();
        assert!(order.is_sorted(), "lane {lane}: {order:?}");
    }
}
