//! Deletes a person and all their data. Only keyed hashes stay, such as the tombstones of the person's messages.
//!
//! The first transaction hides the person and writes a job. Then the data is deleted in slices, each in its own
//! transaction. If the process dies meanwhile, the job finishes the deletion.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::identity::DeleteAccount;
use crate::jobs::{Job, JobError, JobRun, Next};
use crate::keyring::Keyring;
use crate::store::people::Progress;
use crate::store::{Pepper, Store, StoreError};

/// The job that finishes the deletion of a hidden person.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeletePerson {
    user_id: Uuid,
}

pub(crate) struct DeletionContext {
    pub(crate) store: Store,
    pub(crate) pepper: Pepper,
    pub(crate) keyring: Arc<Keyring>,
}

impl Job for DeletePerson {
    type Context = DeletionContext;
    const KIND: &'static str = "delete_person";

    async fn run(
        self,
        context: &DeletionContext,
        JobRun { now, .. }: JobRun,
    ) -> Result<Next, JobError> {
        let DeletionContext {
            store,
            pepper,
            keyring,
        } = context;
        delete_hidden(store, pepper, keyring, self.user_id, now).await?;
        Ok(Next::Finished)
    }
}

/// A person who is hidden and has to be deleted.
#[derive(Debug)]
#[must_use = "the person is hidden and not deleted yet"]
pub struct HiddenPerson {
    user_id: Uuid,
    job_id: Uuid,
}

/// Hides a person. `None` if the person does not exist any more. The caller drops the person's sessions from the
/// cache of this process.
pub async fn hide_person(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    user_id: Uuid,
    now: Timestamp,
) -> Result<Option<HiddenPerson>, StoreError> {
    let job = DeletePerson { user_id }.to_row(keyring, now);
    let hidden = store.hide_person(user_id, pepper, &job, now).await?;
    let job_id = job.id;
    Ok(hidden.then_some(HiddenPerson { user_id, job_id }))
}

impl HiddenPerson {
    /// Deletes the person's data, and stores a job for each of the person's accounts that deletes the account at its
    /// identity provider.
    pub async fn finish(
        self,
        store: &Store,
        pepper: &Pepper,
        keyring: &Keyring,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        delete_hidden(store, pepper, keyring, self.user_id, now).await?;
        store.withdraw_deletion_job(self.job_id).await
    }
}

/// Deletes a hidden person. Safe to repeat.
async fn delete_hidden(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    user_id: Uuid,
    now: Timestamp,
) -> Result<(), StoreError> {
    loop {
        let progress = store
            .delete_slice(
                user_id,
                pepper,
                &|account| {
                    let (issuer, subject) = (account.issuer.clone(), account.subject);
                    DeleteAccount { issuer, subject }.to_row(keyring, now)
                },
                now,
            )
            .await?;
        match progress {
            Progress::More => {}
            Progress::Done => {
                metrics::counter!("people_deleted_total").increment(1);
                return Ok(());
            }
            Progress::AlreadyDone => return Ok(()),
        }
    }
}

/// Hides and deletes a person. `false` if the person does not exist. Safe to repeat.
pub async fn delete_person(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    user_id: Uuid,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(hidden) = hide_person(store, pepper, keyring, user_id, now).await? else {
        return Ok(false);
    };
    hidden.finish(store, pepper, keyring, now).await?;
    Ok(true)
}
