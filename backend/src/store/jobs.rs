//! The queue of durable work: each job is done at least once, by one replica at a time.
//!
//! A job is written in the transaction that makes it necessary. Whoever takes one holds it for a
//! while; if that process dies, another takes it again. What a job does must therefore bear being done
//! twice.

use std::time::Duration;

use uuid::Uuid;

use super::pools::on_writer;
use super::statements::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// The kind of job that no worker takes and retention leaves: it waits for an operator.
pub(crate) const DELETE_FORMER_ACCOUNT: &str = "delete_former_account";

statements! {
    INSERT_JOB {
        both: "insert into jobs (id, kind, payload, run_at, attempts, created_at) \
               values ($1, $2, $3, $4, 0, $4)",
    }
    TAKE_JOB {
        postgres: "update jobs set locked_until = $2, attempts = attempts + 1 \
                   where id = ( \
                     select id from jobs \
                     where dead_at is null and run_at <= $1 \
                       and (locked_until is null or locked_until <= $1) \
                       and kind in (select json_array_elements_text($3::json)) \
                     order by run_at limit 1 for update skip locked) \
                   returning id, kind, payload, attempts, locked_until",
        sqlite: "update jobs set locked_until = $2, attempts = attempts + 1 \
                 where id = ( \
                   select id from jobs \
                   where dead_at is null and run_at <= $1 \
                     and (locked_until is null or locked_until <= $1) \
                     and kind in (select value from json_each($3)) \
                   order by run_at limit 1) \
                 returning id, kind, payload, attempts, locked_until",
    }
    /// Only while it is still held: after that it may be somebody else's.
    FINISH_JOB {
        both: "delete from jobs where id = $1 and locked_until = $2",
    }
    POSTPONE_JOB {
        both: "update jobs set locked_until = null, run_at = $3, dead_at = $4 \
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
        on_writer!(self.pools, INSERT_JOB, |pool, sql| {
            sqlx::query(sql)
                .bind(job.id)
                .bind(job.kind)
                .bind(&job.payload)
                .bind(now)
                .execute(pool)
                .await
                .map(drop)
        })?;
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
        let taken = on_writer!(self.pools, TAKE_JOB, |pool, sql| {
            sqlx::query_as(sql)
                .bind(now)
                .bind(now.plus(Self::JOB_LEASE))
                .bind(&kinds)
                .fetch_optional(pool)
                .await
        })?;
        Ok(taken)
    }

    /// Removes a job that is done.
    pub async fn finish_job(&self, job: &TakenJob) -> Result<(), StoreError> {
        on_writer!(self.pools, FINISH_JOB, |pool, sql| {
            sqlx::query(sql)
                .bind(job.id)
                .bind(job.locked_until)
                .execute(pool)
                .await
                .map(drop)
        })?;
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
        let count = on_writer!(self.pools, COUNT_JOBS, |pool, sql| {
            sqlx::query_scalar(sql)
                .bind(DELETE_FORMER_ACCOUNT)
                .fetch_one(pool)
                .await
        })?;
        Ok(count)
    }

    async fn put_job_back(
        &self,
        job: &TakenJob,
        run_at: Timestamp,
        dead_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        on_writer!(self.pools, POSTPONE_JOB, |pool, sql| {
            sqlx::query(sql)
                .bind(job.id)
                .bind(job.locked_until)
                .bind(run_at)
                .bind(dead_at)
                .execute(pool)
                .await
                .map(drop)
        })?;
        Ok(())
    }
}
