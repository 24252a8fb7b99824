//! Accounts that people still have at identity providers to which the database was bound before, and the jobs that
//! delete such accounts.
//!
//! The caller decides which kinds of jobs delete accounts, and what a job's payload means.

use uuid::Uuid;

use super::execute::Execute;
use super::jobs::ClaimedJob;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;

statements! {
    JOBS_OF_KINDS {
        postgres: "select id, kind, payload, dead_at from jobs
                   where kind in (select json_array_elements_text($1::json)) order by id",
        sqlite: "select id, kind, payload, dead_at from jobs
                 where kind in (select value from json_each($1)) order by id",
    }
    /// Changes the job only while the caller has its lease: after the lease another replica may have claimed the job.
    SET_JOB_ASIDE {
        both: "update jobs set kind = $3, lane = null, attempts = 0, locked_until = null
               where id = $1 and locked_until = $2",
    }
    /// Resets the job, unless it has changed meanwhile or a process has a lease on it.
    RESET_JOB {
        both: "update jobs set kind = $3, attempts = 0, run_at = $4, locked_until = null, dead_at = null
               where id = $1 and kind = $2 and (locked_until is null or locked_until <= $4)",
    }
    RESEAL_JOB {
        both: "update jobs set payload = $3 where id = $1 and payload = $2",
    }
    ACCOUNTS_BY_ISSUER {
        both: "select issuer, count(*) from accounts group by issuer order by issuer",
    }
    ISSUERS_OF_PERSON {
        both: "select issuer from accounts where user_id = $1 order by issuer",
    }
    CONFIRMED_SUBJECTS {
        both: "select subject from accounts where issuer = $1 and confirmed_at is not null
               order by confirmed_at desc limit $2",
    }
}

/// A job as it is stored, claimed or not.
#[derive(sqlx::FromRow)]
pub(crate) struct StoredJob {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    /// Sealed with a key of the keyring.
    pub(crate) payload: Vec<u8>,
    /// The time at which the job was given up, if it was.
    pub(crate) dead_at: Option<Timestamp>,
}

impl Store {
    /// All jobs of these kinds, including those that were given up.
    pub(crate) async fn jobs_of_kinds(&self, kinds: &[&str]) -> Result<Vec<StoredJob>, StoreError> {
        let kinds = serde_json::to_string(kinds).expect("a list of strings becomes JSON");
        self.pools.reads().all(JOBS_OF_KINDS, (kinds,)).await
    }

    /// Changes the kind of a claimed job to `kind`, which no worker claims, and gives back the lease. Returns `false`
    /// if this process has lost the lease.
    pub(crate) async fn set_job_aside(
        &self,
        job: &ClaimedJob,
        kind: &str,
    ) -> Result<bool, StoreError> {
        let params = (job.id, job.locked_until, kind);
        Ok(self.pools.writes().execute(SET_JOB_ASIDE, params).await? == 1)
    }

    /// Changes a job's kind to `kind`, and makes the job due at `now` without earlier attempts, even if it was given
    /// up. Changes nothing while a process has a lease on the job.
    pub(crate) async fn reset_job(
        &self,
        job: &StoredJob,
        kind: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let params = (job.id, &job.kind, kind, now);
        self.pools.writes().execute(RESET_JOB, params).await?;
        Ok(())
    }

    /// Replaces the payload of a job by `sealed`, the same payload sealed with the newest key of the keyring.
    pub(crate) async fn reseal_job(
        &self,
        job: &StoredJob,
        sealed: &[u8],
    ) -> Result<(), StoreError> {
        let params = (job.id, &job.payload, sealed);
        self.pools.writes().execute(RESEAL_JOB, params).await?;
        Ok(())
    }

    /// The number of accounts at each issuer.
    pub(crate) async fn accounts_by_issuer(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.pools.reads().all(ACCOUNTS_BY_ISSUER, ()).await
    }

    /// The issuers at which a person has an account.
    pub(crate) async fn issuers_of_person(&self, user_id: Uuid) -> Result<Vec<String>, StoreError> {
        let mut reads = self.pools.reads();
        reads.values(ISSUERS_OF_PERSON, (user_id,)).await
    }

    /// The subjects of the `limit` accounts at `issuer` that were confirmed last.
    pub(crate) async fn confirmed_subjects(
        &self,
        issuer: &str,
        limit: i64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut reads = self.pools.reads();
        reads.values(CONFIRMED_SUBJECTS, (issuer, limit)).await
    }
}
