//! Claims, fails and postpones jobs directly in the store.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::store::Store;
use archety_backend::store::jobs::{ClaimedJob, PutBack};

/// How long a claim of these functions holds a job.
pub(crate) const LEASE: Duration = Duration::from_mins(2);

/// Claims one job of these kinds that is due.
pub(crate) async fn claim(
    store: &Store,
    kinds: &[&'static str],
    now: Timestamp,
) -> Option<ClaimedJob> {
    claim_all(store, kinds, 1, now).await.pop()
}

/// Claims jobs of these kinds that are due.
pub(crate) async fn claim_all(
    store: &Store,
    kinds: &[&'static str],
    limit: usize,
    now: Timestamp,
) -> Vec<ClaimedJob> {
    let leases = kinds.iter().map(|kind| (*kind, LEASE)).collect();
    let claimed = store.claim_jobs("general", &leases, limit, now).await;
    claimed.expect("a store")
}

/// Makes a job a dead letter. `false` if the caller no longer holds the job.
pub(crate) async fn give_up(store: &Store, job: &ClaimedJob, now: Timestamp) -> bool {
    let back = PutBack {
        run_at: now,
        attempts: job.attempts,
        dead_at: Some(now),
    };
    store.put_job_back(job, back).await.expect("a store")
}

/// Puts a job back until `run_at`. `false` if the caller no longer holds the job.
pub(crate) async fn postpone(store: &Store, job: &ClaimedJob, run_at: Timestamp) -> bool {
    let back = PutBack {
        run_at,
        attempts: job.attempts,
        dead_at: None,
    };
    store.put_job_back(job, back).await.expect("a store")
}
