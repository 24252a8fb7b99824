//! Accounts at identity providers that the database was bound to before `identity switch`.
//!
//! Their credentials are not here, so a deletion of such an account waits, as a job that no worker takes,
//! until `identity finish-former` is given them. The job's payload is the last record of the account: it
//! goes only once the provider has deleted the account or does not know it.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::identity::{DeleteAccount, FormerProject, FormerProjectError};
use crate::jobs::{Job, open, resealed};
use crate::keyring::Keyring;
use crate::store::jobs::DELETE_FORMER_ACCOUNT;
use crate::store::{Store, StoreError};

const KINDS: [&str; 2] = [DeleteAccount::KIND, DELETE_FORMER_ACCOUNT];
/// A provider that has not answered so often in a row is away.
const AWAY_AFTER: usize = 3;

/// The deletion of an account at a former provider.
pub struct WaitingDeletion {
    job_id: Uuid,
    subject: Uuid,
    pub issuer: String,
}

#[derive(Default)]
pub struct WaitingDeletions {
    pub deletions: Vec<WaitingDeletion>,
    /// How many were sealed with a key that is not in `SESSION_SECRET`.
    pub unreadable: usize,
}

/// What is left at a former provider.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FormerIssuer {
    pub issuer: String,
    /// How many accounts people have there.
    pub accounts: i64,
    /// How many accounts of people who were deleted wait for the old credentials.
    pub deletions_waiting: usize,
}

/// What came of deleting accounts at a former provider.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FinishedDeletions {
    pub deleted: usize,
    pub kept: usize,
    /// Why the last of them was kept.
    pub reason: Option<FormerProjectError>,
}

impl WaitingDeletion {
    /// Whether there is an account to delete: this backend itself keeps no account beside the row.
    pub fn is_elsewhere(&self) -> bool {
        !Store::is_own_issuer(&self.issuer)
    }
}

/// The deletions that wait for a former provider, whether `serve` has set them aside already or not, and
/// those of an earlier release that were given up.
pub async fn waiting(store: &Store, keyring: &Keyring) -> Result<WaitingDeletions, StoreError> {
    let mut waiting = WaitingDeletions::default();
    // A database that is bound to no provider has no former one.
    let Some(bound) = store.bound_issuer().await? else {
        return Ok(waiting);
    };
    for job in store.jobs_of_kinds(&KINDS).await? {
        match open::<DeleteAccount>(keyring, &job.payload) {
            Some(account) if account.issuer != bound => waiting.deletions.push(WaitingDeletion {
                job_id: job.id,
                subject: account.subject,
                issuer: account.issuer,
            }),
            None if job.kind == DELETE_FORMER_ACCOUNT => waiting.unreadable += 1,
            // These are for the worker, which also tells if it cannot read one.
            Some(_) | None => {}
        }
    }
    Ok(waiting)
}

/// What is left at each former provider, in the order of their names.
pub async fn issuers(
    store: &Store,
    waiting: &WaitingDeletions,
) -> Result<Vec<FormerIssuer>, StoreError> {
    let Some(bound) = store.bound_issuer().await? else {
        return Ok(Vec::new());
    };
    let mut left: BTreeMap<String, (i64, usize)> = BTreeMap::new();
    for (issuer, accounts) in store.accounts_by_issuer().await? {
        left.entry(issuer).or_default().0 = accounts;
    }
    for deletion in &waiting.deletions {
        left.entry(deletion.issuer.clone()).or_default().1 += 1;
    }
    left.remove(&bound);
    let left = left.into_iter();
    Ok(left
        .map(|(issuer, (accounts, deletions_waiting))| FormerIssuer {
            issuer,
            accounts,
            deletions_waiting,
        })
        .collect())
}

/// How many accounts these people have at former providers other than this backend itself.
pub async fn count_of(store: &Store, people: &[Uuid]) -> Result<usize, StoreError> {
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

/// Whether the project knows one of the accounts that people are known to have at `issuer`; `None` if no
/// such account is known.
pub async fn is_known_to(
    store: &Store,
    project: &FormerProject,
    issuer: &str,
) -> Result<Option<Result<bool, FormerProjectError>>, StoreError> {
    const ASKED_FOR: i64 = 5;
    let subjects = store.confirmed_subjects(issuer, ASKED_FOR).await?;
    if subjects.is_empty() {
        return Ok(None);
    }
    for subject in subjects {
        match project.has_account(subject).await {
            Ok(false) => {}
            found => return Ok(Some(found)),
        }
    }
    Ok(Some(Ok(false)))
}

/// Deletes accounts at their provider, each job after its account. Ends early when the provider is away
/// or does not accept the key. Safe to repeat, and to be killed.
pub async fn finish<'a>(
    store: &Store,
    project: &FormerProject,
    deletions: impl IntoIterator<Item = &'a WaitingDeletion>,
) -> Result<FinishedDeletions, StoreError> {
    let mut finished = FinishedDeletions::default();
    let mut unanswered = 0;
    let mut deletions = deletions.into_iter();
    for deletion in deletions.by_ref() {
        match project.delete_account(deletion.subject).await {
            Ok(()) => {
                remove(store, deletion).await?;
                finished.deleted += 1;
                unanswered = 0;
            }
            Err(reason) => {
                unanswered = if reason == FormerProjectError::Away {
                    unanswered + 1
                } else {
                    0
                };
                let is_over = unanswered == AWAY_AFTER || reason == FormerProjectError::KeyRefused;
                finished.kept += 1;
                finished.reason = Some(reason);
                if is_over {
                    break;
                }
            }
        }
    }
    finished.kept += deletions.count();
    Ok(finished)
}

pub async fn remove(store: &Store, deletion: &WaitingDeletion) -> Result<(), StoreError> {
    store.withdraw_deletion_job(deletion.job_id).await
}

/// After a start, which may be the first since `identity switch`: deletions of accounts at providers other
/// than `bound`, whom the database is bound to now, are set aside, also those that were given up; those at
/// `bound` are begun anew.
pub async fn sort(
    store: &Store,
    keyring: &Keyring,
    bound: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    for job in store.jobs_of_kinds(&KINDS).await? {
        let Some(account) = open::<DeleteAccount>(keyring, &job.payload) else {
            continue;
        };
        let is_own = Store::is_own_issuer(&account.issuer);
        let kind = if account.issuer == bound || is_own {
            DeleteAccount::KIND
        } else {
            DELETE_FORMER_ACCOUNT
        };
        // What was given up at the provider in use stays given up.
        let is_forgotten = job.dead_at.is_some() && account.issuer != bound;
        if job.kind != kind || is_forgotten {
            store.reset_job(&job, kind, now).await?;
        }
    }
    Ok(())
}

/// Seals the deletions with the newest key: they may wait for longer than an old one is kept.
pub async fn reseal(store: &Store, keyring: &Keyring) -> Result<(), StoreError> {
    for job in store.jobs_of_kinds(&KINDS).await? {
        if let Some(sealed) = resealed(keyring, &job.payload) {
            store.reseal_job(&job, &sealed).await?;
        }
    }
    Ok(())
}
