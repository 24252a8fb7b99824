//! The queue of durable work: each job is done at least once, by one process at a time.
//!
//! A job is written in the transaction that makes it necessary. The process that claims it holds it for a
//! lease, and may renew that; if the process dies, another claims the job once the lease is over. What a
//! job does must therefore bear being done twice. Jobs of one lane are done one at a time, in the order in
//! which they were written; one that was given up holds back nothing. Of the jobs of a kind that have the
//! same dedupe key, one waits at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::execute::Execute;
use super::statement::statements;
use super::transaction::Tx;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// The kind of job that no worker takes and retention leaves: it waits for an operator.
pub(crate) const DELETE_FORMER_ACCOUNT: &str = "delete_former_account";

/// The queue of the jobs that come back by themselves.
pub(crate) const UPKEEP_QUEUE: &str = "upkeep";

/// The queue of a job that names none.
pub(crate) const GENERAL_QUEUE: &str = "general";

statements! {
    /// Held until the transaction ends: the order in which jobs of a lane were written is then the order
    /// in which they can be seen. SQLite has one writer at a time anyway.
    LOCK_LANE {
        postgres: "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        sqlite: "select $1",
    }
    /// Later than every other one of its lane, whatever the clocks of the replicas say. On Postgres the
    /// commit wakes workers.
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
    /// $3 has the lease of each kind that is claimed, in microseconds, as a JSON object.
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
    /// Only while it is still held, as the next two: after that it may be another process's.
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
    COUNT_JOBS {
        both: "select count(*) from jobs where dead_at is null and kind <> $1 and queue <> $2",
    }
}

/// What becomes of a job that waits under the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfWaiting {
    /// It stays as it is.
    #[default]
    Keep,
    /// It waits until the new one's time, and does what the new one says.
    PushOut,
}

/// Work to be written down.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: Uuid,
    /// What is to be done.
    pub kind: &'static str,
    /// With what, as the worker reads it: sealed, as a rule.
    pub payload: Vec<u8>,
    /// Which workers do it.
    pub queue: &'static str,
    /// Done one after the other with others of this name.
    pub lane: Option<String>,
    /// The higher goes first.
    pub priority: i32,
    /// Waits once for each kind and key.
    pub dedupe_key: Option<String>,
    /// What becomes of the one that waits under the same key.
    pub if_waiting: IfWaiting,
    /// When it is due.
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

    /// The same, due at `run_at`.
    #[must_use]
    pub fn at(mut self, run_at: Timestamp) -> Self {
        self.run_at = run_at;
        self
    }

    /// The same, in place of the one that waits under its key.
    #[must_use]
    pub fn pushing_out(mut self) -> Self {
        self.if_waiting = IfWaiting::PushOut;
        self
    }
}

/// Work that this process holds.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ClaimedJob {
    /// Its id.
    pub id: Uuid,
    /// What is to be done.
    pub kind: String,
    /// With what.
    pub payload: Vec<u8>,
    /// Since when it has been due.
    pub run_at: Timestamp,
    /// How often it was claimed, this time included.
    pub attempts: i32,
    /// Until when it is this process's.
    pub locked_until: Timestamp,
}

/// How a job that this process holds goes on without it.
#[derive(Clone, Copy, Debug)]
pub struct PutBack {
    /// When it is due.
    pub run_at: Timestamp,
    /// How many attempts count.
    pub attempts: i32,
    /// When it was given up. It then stays to be looked at.
    pub dead_at: Option<Timestamp>,
}

/// The kinds that are claimed, with the time that each is held.
pub type Leases = BTreeMap<&'static str, Duration>;

/// Writes a job down.
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
        job.if_waiting == IfWaiting::PushOut,
    );
    tx.execute(ENQUEUE, params).await?;
    tx.wake_workers();
    Ok(())
}

impl Store {
    /// Writes a job down on its own.
    pub async fn enqueue(&self, job: &NewJob, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        enqueue(&mut tx, job, now).await?;
        tx.commit().await
    }

    /// Writes a job down unless one of its id is there, whatever became of it. It has neither lane nor
    /// dedupe key.
    pub async fn enqueue_once(&self, job: &NewJob, now: Timestamp) -> Result<(), StoreError> {
        let params = (job.id, job.kind, job.queue, &job.payload, job.run_at, now);
        self.pools.writes().execute(ENQUEUE_ONCE, params).await?;
        Ok(())
    }

    /// Claims at most `limit` jobs of a queue that are due. Jobs of other kinds are left to replicas that
    /// know them: in a rolling deploy the earlier version runs beside the later one.
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
        let leases = serde_json::to_string(&leases).expect("words and numbers");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params = (queue, now, leases, limit);
        self.pools.writes().all(CLAIM_JOBS, params).await
    }

    /// Holds a job until `until`. `false` if it is held no more.
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

    /// Removes a job that is done. `false` if it is held no more.
    pub async fn finish_job(&self, job: &ClaimedJob) -> Result<bool, StoreError> {
        let params = (job.id, job.locked_until);
        Ok(self.pools.writes().execute(FINISH_JOB, params).await? == 1)
    }

    /// Gives a job back. `false` if it is held no more.
    pub async fn put_job_back(&self, job: &ClaimedJob, back: PutBack) -> Result<bool, StoreError> {
        let params = (
            job.id,
            job.locked_until,
            back.run_at,
            back.attempts,
            back.dead_at,
        );
        Ok(self.pools.writes().execute(PUT_JOB_BACK, params).await? == 1)
    }

    /// How many jobs wait for a worker; those that come back by themselves do not count.
    pub async fn waiting_jobs(&self) -> Result<i64, StoreError> {
        let params = (DELETE_FORMER_ACCOUNT, UPKEEP_QUEUE);
        self.pools.reads().value(COUNT_JOBS, params).await
    }
}
