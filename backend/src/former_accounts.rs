//! Accounts at former identity providers, which the database used before `identity switch`.
//!
//! The backend has no credentials for a former provider. The deletion of an account there is kept as a job that no
//! worker runs, until `identity finish-former` gets the credentials. The job is the last record of the account, so
//! it is removed only once the provider has deleted the account or does not know it.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::identity::{DeleteAccount, FormerProjectClient, FormerProjectError};
use crate::jobs::{Job, open, resealed};
use crate::keyring::Keyring;
use crate::store::jobs::DELETE_FORMER_ACCOUNT;
use crate::store::{Store, StoreError};

const DELETION_KINDS: [&str; 2] = [DeleteAccount::KIND, DELETE_FORMER_ACCOUNT];
/// After this many requests in a row without an answer the former provider counts as unreachable.
const MAX_UNANSWERED: usize = 3;

/// The deletion of a deleted person's account at a former issuer, which `identity finish-former` completes. At another
/// provider it needs the operator's credentials. If this backend was the issuer, the person's row was the account.
pub struct FormerAccountDeletion {
    job_id: Uuid,
    subject: Uuid,
    pub issuer: String,
}

/// The deletions of accounts at former providers that are still to be done.
#[derive(Default)]
pub struct FormerAccountDeletions {
    pub deletions: Vec<FormerAccountDeletion>,
    /// The number of jobs without a readable payload: mostly sealed with a key that is not in `SESSION_SECRET`.
    pub unreadable: usize,
}

/// The numbers of accounts that remain at a former issuer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FormerIssuer {
    pub issuer: String,
    /// The number of accounts of people who still exist in the database.
    pub accounts: i64,
    /// The number of deleted people's accounts that are still to be deleted at the issuer.
    pub deletions_waiting: usize,
}

/// The result of deleting accounts at a former provider.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DeletionReport {
    /// The number of accounts that the provider has deleted or does not know.
    pub deleted: usize,
    /// The number of accounts that are still to be deleted.
    pub kept: usize,
    /// Why the last kept account was not deleted.
    pub reason: Option<FormerProjectError>,
}

/// The result of looking for a few accounts of an issuer in a project.
pub enum SampleCheck {
    /// The database knows no account that a person certainly has at the issuer, so none was looked for.
    NoSample,
    /// The project has one of the accounts.
    Found,
    /// The project has none of the accounts.
    NotFound,
    /// A request failed before an account was found.
    Failed(FormerProjectError),
}

impl FormerAccountDeletion {
    /// Whether the account is at another provider. Where this backend is the issuer, the person's row is the only
    /// account.
    pub fn is_at_another_provider(&self) -> bool {
        !Store::is_own_issuer(&self.issuer)
    }
}

/// The deletions of accounts at former providers that are still to be done, including jobs that `serve` has not set
/// aside yet and jobs of an earlier release that failed for good.
pub async fn pending_deletions(
    store: &Store,
    keyring: &Keyring,
) -> Result<FormerAccountDeletions, StoreError> {
    let mut pending = FormerAccountDeletions::default();
    // Without a current provider there is no former one.
    let Some(bound) = store.bound_issuer().await? else {
        return Ok(pending);
    };
    for job in store.jobs_of_kinds(&DELETION_KINDS).await? {
        match open::<DeleteAccount>(keyring, &job.payload) {
            Some(account) if account.issuer != bound => {
                pending.deletions.push(FormerAccountDeletion {
                    job_id: job.id,
                    subject: account.subject,
                    issuer: account.issuer,
                });
            }
            None if job.kind == DELETE_FORMER_ACCOUNT => pending.unreadable += 1,
            // The job worker runs these, and reports those that it cannot read.
            Some(_) | None => {}
        }
    }
    Ok(pending)
}

/// The numbers of accounts that remain at each former issuer, sorted by issuer.
pub async fn issuers(
    store: &Store,
    pending: &FormerAccountDeletions,
) -> Result<Vec<FormerIssuer>, StoreError> {
    let Some(bound) = store.bound_issuer().await? else {
        return Ok(Vec::new());
    };
    let mut remaining: BTreeMap<String, (i64, usize)> = BTreeMap::new();
    for (issuer, accounts) in store.accounts_by_issuer().await? {
        remaining.entry(issuer).or_default().0 = accounts;
    }
    for deletion in &pending.deletions {
        remaining.entry(deletion.issuer.clone()).or_default().1 += 1;
    }
    remaining.remove(&bound);
    let remaining = remaining.into_iter();
    Ok(remaining
        .map(|(issuer, (accounts, deletions_waiting))| FormerIssuer {
            issuer,
            accounts,
            deletions_waiting,
        })
        .collect())
}

/// The number of accounts that these people have at former providers other than this backend itself.
pub async fn count_accounts_of(store: &Store, people: &[Uuid]) -> Result<usize, StoreError> {
    let Some(bound) = store.bound_issuer().await? else {
        return Ok(0);
    };
    let mut count = 0;
    for user_id in people {
        let issuers = store.issuers_of_person(*user_id).await?;
        let is_former = |issuer: &&String| **issuer != bound && !Store::is_own_issuer(issuer);
        count += issuers.iter().filter(is_former).count();
    }
    Ok(count)
}

/// Looks in the project for a few accounts that people certainly have at `issuer`. A project of another issuer knows
/// none of the accounts to delete, and a deletion of an unknown account counts as done.
pub async fn check_sample(
    store: &Store,
    project: &FormerProjectClient,
    issuer: &str,
) -> Result<SampleCheck, StoreError> {
    const SAMPLE_SIZE: i64 = 5;
    let subjects = store.confirmed_subjects(issuer, SAMPLE_SIZE).await?;
    if subjects.is_empty() {
        return Ok(SampleCheck::NoSample);
    }
    for subject in subjects {
        match project.has_account(subject).await {
            Ok(false) => {}
            Ok(true) => return Ok(SampleCheck::Found),
            Err(reason) => return Ok(SampleCheck::Failed(reason)),
        }
    }
    Ok(SampleCheck::NotFound)
}

/// Deletes the accounts of `deletions` in `project`, and each job after its account. Stops when the project has not
/// answered [`MAX_UNANSWERED`] requests in a row, or refuses the service key. Safe to interrupt and to repeat.
pub async fn delete_accounts<'a>(
    store: &Store,
    project: &FormerProjectClient,
    deletions: impl IntoIterator<Item = &'a FormerAccountDeletion>,
) -> Result<DeletionReport, StoreError> {
    let mut report = DeletionReport::default();
    let mut unanswered = 0;
    let mut deletions = deletions.into_iter();
    for deletion in deletions.by_ref() {
        match project.delete_account(deletion.subject).await {
            Ok(()) => {
                remove_job(store, deletion).await?;
                report.deleted += 1;
                unanswered = 0;
            }
            Err(reason) => {
                unanswered = if reason == FormerProjectError::Unavailable {
                    unanswered + 1
                } else {
                    0
                };
                let must_stop =
                    unanswered == MAX_UNANSWERED || reason == FormerProjectError::KeyRefused;
                report.kept += 1;
                report.reason = Some(reason);
                if must_stop {
                    break;
                }
            }
        }
    }
    report.kept += deletions.count();
    Ok(report)
}

/// Removes the job of a deletion that is done.
pub async fn remove_job(store: &Store, deletion: &FormerAccountDeletion) -> Result<(), StoreError> {
    store.withdraw_deletion_job(deletion.job_id).await
}

/// Gives each deletion job the kind that fits its provider: one that the worker runs, or one that no worker runs.
/// `serve` calls this when it starts, because `identity switch` may have changed the provider since the
/// jobs were stored.
///
/// `bound` is the issuer that the database uses now. Deletions at other providers are set aside, also those that
/// failed for good. Deletions that were set aside are given back to the worker if their issuer is `bound` or this
/// backend itself.
pub async fn sort_by_provider(
    store: &Store,
    keyring: &Keyring,
    bound: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    for job in store.jobs_of_kinds(&DELETION_KINDS).await? {
        let Some(account) = open::<DeleteAccount>(keyring, &job.payload) else {
            continue;
        };
        let is_own = Store::is_own_issuer(&account.issuer);
        let kind = if account.issuer == bound || is_own {
            DeleteAccount::KIND
        } else {
            DELETE_FORMER_ACCOUNT
        };
        // A deletion that failed for good at the current issuer stays a dead letter.
        let is_dead_at_former_issuer = job.dead_at.is_some() && account.issuer != bound;
        if job.kind != kind || is_dead_at_former_issuer {
            store.reset_job(&job, kind, now).await?;
        }
    }
    Ok(())
}

/// Seals the payloads of the deletion jobs again with the newest key, because a deletion may wait for longer than an
/// old key stays in `SESSION_SECRET`.
pub async fn reseal(store: &Store, keyring: &Keyring) -> Result<(), StoreError> {
    for job in store.jobs_of_kinds(&DELETION_KINDS).await? {
        if let Some(sealed) = resealed(keyring, &job.payload) {
            store.reseal_job(&job, &sealed).await?;
        }
    }
    Ok(())
}
