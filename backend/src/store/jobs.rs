//! Queues of durable work. Each job is done at least once, unless it is given up, and by one process at a time.
//!
//! A job is written in the transaction that makes it necessary. The process that claims a job has a lease on it and
//! may renew the lease. If the process dies, another one claims the job once the lease has expired, so a job must be
//! safe to do twice. Jobs of one lane are done one at a time, in the order in which they were written; a job that was
//! given up does not delay the others. At most one unclaimed job has a given kind and dedupe key.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::execute::Execute;
use super::statement::statements;
use super::transaction::Tx;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// The kind of a job to delete an account at a former issuer. The job waits for an operator: no worker claims it, and
/// retention does not delete it.
pub(crate) const DELETE_FORMER_ACCOUNT: &str = "delete_former_account";

/// The queue of the periodic jobs.
pub(crate) const UPKEEP_QUEUE: &str = "upkeep";

/// The queue of the jobs that answer turns.
pub(crate) const TURNS_QUEUE: &str = "turns";

/// The kind of the job that answers the turn of a conversation. Intake writes it, also in `open_turns.sql`.
pub(crate) const ANSWER_TURN: &str = "answer_turn";

/// The kind of the job that lists a turn that was not answered in time.
pub(crate) const LIST_OLD_TURN: &str = "list_old_turn";

/// The default queue.
pub(crate) const GENERAL_QUEUE: &str = "general";

statements! {
    /// Locks the lane until the transaction ends, so that the jobs of a lane become visible in the order in which they
    /// were written. SQLite has one writer at a time anyway.
    LOCK_LANE {
        postgres: "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        sqlite: "select $1",
    }
    /// The job gets a later `created_at` than the others of its lane, even if the clocks of replicas differ. On
    /// Postgres the commit wakes the workers.
    ENQUEUE {
        postgres: "with enqueued as (
                     insert into jobs (
                       id, kind, queue, lane, priority, dedupe_key, payload, run_at, attempts, created_at)
                     values ($1, $2, $3, $4, $5, $6, $7, $8, 0, greatest($9,
                       (select max(created_at) + interval '1 microsecond' from jobs
                        where lane = $4 and dead_at is null)))
                     on conflict (kind, dedupe_key) where dedupe_key is not null
                       do update set run_at = excluded.run_at, payload = excluded.payload where $10
                     returning id)
                   select id, pg_notify('archety_jobs', '') from enqueued",
        sqlite: "insert into jobs (
                   id, kind, queue, lane, priority, dedupe_key, payload, run_at, attempts, created_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, 0, max($9, coalesce(
                   (select max(created_at) + 1 from jobs where lane = $4 and dead_at is null), $9)))
                 on conflict (kind, dedupe_key) where dedupe_key is not null
                   do update set run_at = excluded.run_at, payload = excluded.payload where $10
                 returning id",
    }
    ENQUEUE_ONCE {
        both: "insert into jobs (id, kind, queue, payload, run_at, attempts, created_at)
               values ($1, $2, $3, $4, $5, 0, $6)
               on conflict (id) do nothing",
    }
    /// $3 is a JSON object with the kinds to claim and the lease of each in microseconds.
    CLAIM_JOBS {
        postgres: "with due as materialized (
                     select j.id from jobs j
                     where j.queue = $1 and j.run_at <= $2 and j.dead_at is null
                       and (j.locked_until is null or j.locked_until <= $2)
                       and j.kind = any(array(select json_object_keys($3::json)))
                       and not exists (
                         select 1 from jobs o
                         where o.lane is not null and o.lane = j.lane and o.dead_at is null
                           and (o.created_at, o.id) < (j.created_at, j.id))
                     order by j.priority desc, j.run_at limit $4
                     for update of j skip locked)
                   update jobs set attempts = attempts + 1, dedupe_key = null,
                     locked_until = $2 + (($3::json ->> kind)::bigint) * interval '1 microsecond'
                   from due where jobs.id = due.id
                   returning jobs.id, kind, payload, run_at, attempts, locked_until",
        sqlite: "update jobs set attempts = attempts + 1, dedupe_key = null,
                   locked_until = $2 + ($3 ->> kind)
                 where id in (
                   select j.id from jobs j
                   where j.queue = $1 and j.run_at <= $2 and j.dead_at is null
                     and (j.locked_until is null or j.locked_until <= $2)
                     and j.kind in (select key from json_each($3))
                     and not exists (
                       select 1 from jobs o
                       where o.lane is not null and o.lane = j.lane and o.dead_at is null
                         and (o.created_at, o.id) < (j.created_at, j.id))
                   order by j.priority desc, j.run_at limit $4)
                 returning id, kind, payload, run_at, attempts, locked_until",
    }
    /// This statement and the next two change a job only while the caller has its lease: after the lease another
    /// process may have claimed the job.
    RENEW_JOB {
        both: "update jobs set locked_until = $3 where id = $1 and locked_until = $2",
    }
    FINISH_JOB {
        both: "delete from jobs where id = $1 and locked_until = $2",
    }
    PUT_JOB_BACK {
        both: "update jobs set locked_until = null, run_at = $3, attempts = $4, dead_at = $5
               where id = $1 and locked_until = $2",
    }
    /// The time at which the next waiting job of a queue becomes due.
    NEXT_DUE {
        both: "select min(run_at) from jobs
               where queue = $1 and run_at > $2 and dead_at is null and locked_until is null",
    }
    /// Keeps the job from being claimed until the transaction ends.
    HOLD_JOB {
        postgres: "select id from jobs
                   where id = $1 and attempts = $2 and locked_until is not null for update",
        sqlite: "select id from jobs where id = $1 and attempts = $2 and locked_until is not null",
    }
    COUNT_UNFINISHED_JOBS {
        both: "select count(*) from jobs where dead_at is null and kind <> $1 and queue <> $2",
    }
}

/// What a new job does to an unclaimed job with the same kind and dedupe key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfWaiting {
    /// The waiting job stays, and the new one is not written.
    #[default]
    Keep,
    /// The waiting job gets the time and the payload of the new one.
    Replace,
}

/// A job that is to be written.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub id: Uuid,
    pub kind: &'static str,
    /// The parameters of the work, sealed for most kinds.
    pub payload: Vec<u8>,
    /// The queue whose workers claim the job.
    pub queue: &'static str,
    /// Jobs with the same lane are done one after the other.
    pub lane: Option<String>,
    /// Jobs with a higher priority are claimed first.
    pub priority: i32,
    /// At most one job with a given kind and dedupe key waits.
    pub dedupe_key: Option<String>,
    pub if_waiting: IfWaiting,
    /// The time at which the job is due.
    pub run_at: Timestamp,
}

impl NewJob {
    /// A job of the general queue that is due at `run_at`.
    pub fn new(id: Uuid, kind: &'static str, payload: Vec<u8>, run_at: Timestamp) -> Self {
        Self {
            id,
            kind,
            payload,
            queue: GENERAL_QUEUE,
            lane: None,
            priority: 0,
            dedupe_key: None,
            if_waiting: IfWaiting::Keep,
            run_at,
        }
    }

    /// Changes the time at which the job is due.
    #[must_use]
    pub fn at(mut self, run_at: Timestamp) -> Self {
        self.run_at = run_at;
        self
    }

    /// Makes the job replace a waiting one with the same kind and dedupe key.
    #[must_use]
    pub fn replacing_waiting(mut self) -> Self {
        self.if_waiting = IfWaiting::Replace;
        self
    }
}

/// A job on which this process has a lease.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClaimedJob {
    pub id: Uuid,
    pub kind: String,
    pub payload: Vec<u8>,
    /// The time at which the job was due.
    pub run_at: Timestamp,
    /// How often the job was claimed, this time included.
    pub attempts: i32,
    /// The end of the lease.
    pub locked_until: Timestamp,
}

/// The attempt that has a job. A later claim of the same job has another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobClaim {
    pub id: Uuid,
    pub attempts: i32,
}

impl ClaimedJob {
    pub fn claim(&self) -> JobClaim {
        JobClaim {
            id: self.id,
            attempts: self.attempts,
        }
    }
}

/// The new state of a job whose lease is given back.
#[derive(Clone, Copy, Debug)]
pub struct PutBack {
    /// The time at which the job is due again.
    pub run_at: Timestamp,
    /// The number of attempts so far.
    pub attempts: i32,
    /// The time at which the job was given up, if it was. Retention deletes its row later, so that an operator can
    /// read it first.
    pub dead_at: Option<Timestamp>,
}

/// The kinds of jobs to claim, and the lease of each.
pub type Leases = BTreeMap<&'static str, Duration>;

/// Writes a job in a transaction of the caller.
pub(in crate::store) async fn enqueue(
    tx: &mut Tx,
    job: &NewJob,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(lane) = &job.lane {
        tx.execute(LOCK_LANE, (lane,)).await?;
    }
    let params = (
        job.id,
        job.kind,
        job.queue,
        job.lane.as_deref(),
        job.priority,
        job.dedupe_key.as_deref(),
        &job.payload,
        job.run_at,
        now,
        job.if_waiting == IfWaiting::Replace,
    );
    tx.execute(ENQUEUE, params).await?;
    tx.wake_workers_on_commit();
    Ok(())
}

/// Whether no other process has claimed the job since. If so, none claims it before the transaction ends.
pub(in crate::store) async fn hold(tx: &mut Tx, claim: JobClaim) -> Result<bool, StoreError> {
    let held: Option<Uuid> = tx
        .optional_value(HOLD_JOB, (claim.id, claim.attempts))
        .await?;
    Ok(held.is_some())
}

impl Store {
    /// Writes a job in a transaction of its own.
    pub async fn enqueue(&self, job: &NewJob, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        enqueue(&mut tx, job, now).await?;
        tx.commit().await
    }

    /// Writes a job unless a row has its id, in whatever state. Ignores lane, priority and dedupe key of `job`, and
    /// wakes no worker.
    pub async fn enqueue_once(&self, job: &NewJob, now: Timestamp) -> Result<(), StoreError> {
        let params = (job.id, job.kind, job.queue, &job.payload, job.run_at, now);
        self.pools.writes().execute(ENQUEUE_ONCE, params).await?;
        Ok(())
    }

    /// Claims at most `limit` jobs of a queue that are due. Jobs of other kinds than those in `leases` are left to
    /// replicas that know them: during a deploy two versions run at the same time.
    pub async fn claim_jobs(
        &self,
        queue: &str,
        leases: &Leases,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        let leases: BTreeMap<_, _> = (leases.iter())
            .map(|(kind, lease)| (kind, u64::try_from(lease.as_micros()).unwrap_or(u64::MAX)))
            .collect();
        let leases =
            serde_json::to_string(&leases).expect("a map from strings to numbers becomes JSON");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = (queue, now, leases, limit);
        self.pools.writes().all(CLAIM_JOBS, params).await
    }

    /// The time after `now` at which the next waiting job of a queue becomes due.
    pub async fn next_due(
        &self,
        queue: &str,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.pools.reads().value(NEXT_DUE, (queue, now)).await
    }

    /// Renews the lease of a job. Returns `false` if this process has lost the lease.
    pub async fn renew_job(
        &self,
        job: &mut ClaimedJob,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let params = (job.id, job.locked_until, until);
        let is_held = self.pools.writes().execute(RENEW_JOB, params).await? == 1;
        if is_held {
            job.locked_until = until;
        }
        Ok(is_held)
    }

    /// Deletes a job that is done. Returns `false` if this process has lost the lease.
    pub async fn finish_job(&self, job: &ClaimedJob) -> Result<bool, StoreError> {
        let params = (job.id, job.locked_until);
        Ok(self.pools.writes().execute(FINISH_JOB, params).await? == 1)
    }

    /// Gives back the lease of a job and sets its new state. Returns `false` if this process has lost the lease.
    pub async fn put_job_back(
        &self,
        job: &ClaimedJob,
        new_state: PutBack,
    ) -> Result<bool, StoreError> {
        let params = (
            job.id,
            job.locked_until,
            new_state.run_at,
            new_state.attempts,
            new_state.dead_at,
        );
        Ok(self.pools.writes().execute(PUT_JOB_BACK, params).await? == 1)
    }

    /// The number of jobs that are not finished or given up, claimed ones included. Periodic jobs, and jobs that wait
    /// for an operator, do not count.
    pub async fn unfinished_jobs(&self) -> Result<i64, StoreError> {
        let params = (DELETE_FORMER_ACCOUNT, UPKEEP_QUEUE);
        self.pools
            .reads()
            .value(COUNT_UNFINISHED_JOBS, params)
            .await
    }
}
