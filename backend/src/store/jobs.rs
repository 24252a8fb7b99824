//! The queue of durable work: each job is done at least once, by one replica at a time.
//!
//! A job is written in the transaction that makes it necessary. Whoever takes one holds it for a
//! while; if that process dies, another takes it again. What a job does must therefore bear being done
//! twice.

use std::time::Duration;

use uuid::Uuid;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// The kind of job that no worker takes and retention leaves: it waits for an operator.
pub(crate) const DELETE_FORMER_ACCOUNT: &str = "delete_former_account";

statements! {
    INSERT_JOB {
        both: "insert into jobs (id, kind, payload, run_at, attempts, created_at)
               values ($1, $2, $3, $4, 0, $4)",
    }
    TAKE_JOB {
        postgres: "update jobs set locked_until = $2, attempts = attempts + 1
                   where id = (
                     select id from jobs
                     where dead_at is null and run_at <= $1
                       and (locked_until is null or locked_until <= $1)
                       and kind in (select json_array_elements_text($3::json))
                     order by run_at limit 1 for update skip locked)
                   returning id, kind, payload, attempts, locked_until",
        sqlite: "update jobs set locked_until = $2, attempts = attempts + 1
                 where id = (
                   select id from jobs
                   where dead_at is null and run_at <= $1
                     and (locked_until is null or locked_until <= $1)
                     and kind in (select value from json_each($3))
                   order by run_at limit 1)
                 returning id, kind, payload, attempts, locked_until",
    }
    /// Only while it is still held: after that it may be somebody else's.
    FINISH_JOB {
        both: "delete from jobs where id = $1 and locked_until = $2",
    }
    POSTPONE_JOB {
        both: "update jobs set locked_until = null, run_at = $3, dead_at = $4
               where id = $1 and locked_until = $2",
    }
    COUNT_JOBS {
        both: "select count(*) from jobs where dead_at is null and kind <> $1",
    }
}

/// Work to be written down.
pub struct NewJob {
    /// Its id.
    pub id: Uuid,
    /// What is to be done.
    pub kind: &'static str,
    /// With what, sealed.
    pub payload: Vec<u8>,
}

/// Work that this process holds.
#[derive(Debug, sqlx::FromRow)]
pub struct TakenJob {
    /// Its id.
    pub id: Uuid,
    /// What is to be done.
    pub kind: String,
    /// With what, sealed.
    pub payload: Vec<u8>,
    /// How often it was taken, this time included.
    pub attempts: i32,
    /// Until when it is this process's.
    pub locked_until: Timestamp,
}

impl Store {
    /// How long a taken job stays with its taker.
    pub const JOB_LEASE: Duration = Duration::from_mins(2);

    /// Writes a job down on its own.
    pub async fn insert_job(&self, job: &NewJob, now: Timestamp) -> Result<(), StoreError> {
        let params = (job.id, job.kind, &job.payload, now);
        self.pools.writes().execute(INSERT_JOB, params).await?;
        Ok(())
    }

    /// Takes the job that has waited longest, if one of these kinds is due. Jobs of other kinds are left
    /// to replicas that know them: in a rolling deploy the earlier version runs beside the later one.
    pub async fn take_job(
        &self,
        kinds: &[&str],
        now: Timestamp,
    ) -> Result<Option<TakenJob>, StoreError> {
        let kinds = serde_json::to_string(kinds).expect("a list of words");
        let params = (now, now.plus(Self::JOB_LEASE), &kinds);
        self.pools.writes().optional(TAKE_JOB, params).await
    }

    /// Removes a job that is done.
    pub async fn finish_job(&self, job: &TakenJob) -> Result<(), StoreError> {
        let params = (job.id, job.locked_until);
        self.pools.writes().execute(FINISH_JOB, params).await?;
        Ok(())
    }

    /// Puts a job back until `run_at`.
    pub async fn postpone_job(&self, job: &TakenJob, run_at: Timestamp) -> Result<(), StoreError> {
        self.put_job_back(job, run_at, None).await
    }

    /// Gives a job up; it stays to be looked at.
    pub async fn bury_job(&self, job: &TakenJob, now: Timestamp) -> Result<(), StoreError> {
        self.put_job_back(job, now, Some(now)).await
    }

    /// How many jobs wait for a worker.
    pub async fn waiting_jobs(&self) -> Result<i64, StoreError> {
        let params = (DELETE_FORMER_ACCOUNT,);
        self.pools.reads().value(COUNT_JOBS, params).await
    }

    async fn put_job_back(
        &self,
        job: &TakenJob,
        run_at: Timestamp,
        dead_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let params = (job.id, job.locked_until, run_at, dead_at);
        self.pools.writes().execute(POSTPONE_JOB, params).await?;
        Ok(())
    }
}
