//! Two replicas run a thousand due jobs within ten seconds: each job once, and each lane in order.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archety_backend::clock::Clock;
use archety_backend::lifecycle::Lifecycle;

use super::support::{Act, Chore, SELDOM, World, enqueue, jobs, number, start, until};
use crate::support::TestStore;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_replicas_do_a_thousand_jobs_within_ten_seconds() {
    const COUNT: usize = 1_000;
    const LANES: usize = 10;
    let base = TestStore::postgres().await;
    let now = Clock::System.now();
    // Half of the jobs are in lanes. Other jobs are not due yet.
    for n in 0..COUNT {
        let mut chore = Chore::new(n, Act::Finish);
        chore.lane = (n % 2 == 0).then(|| (n / 2 % LANES).to_string());
        enqueue(&base.store, &chore, now).await;
    }
    let world = Arc::<World>::default();
    let lifecycle = Lifecycle::new();
    let begun = Instant::now();
    let workers = [base.store.clone(), base.second().await]
        .map(|store| start(jobs(&store, &world, SELDOM), &lifecycle));
    until("all", || world.done.lock().expect("sound").len() >= COUNT).await;
    let took = begun.elapsed();
    lifecycle.start_draining();
    for worker in workers {
        worker.await.expect("no panic");
    }
    let per_sec = (COUNT as u128) * 1_000 / took.as_millis().max(1);
    eprintln!("{COUNT} jobs on two replicas in {took:?}: {per_sec} a second");
    assert!(took < Duration::from_secs(10), "{per_sec} a second");
    assert_eq!(number(&base.store, "select count(*) from jobs").await, 0);
    let done = world.done.lock().expect("sound");
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
