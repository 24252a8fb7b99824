//! Deleting a person, so that nothing of them is left but keyed hashes.
//!
//! A person is hidden first, and then deleted in slices. A job that is written with the first step does
//! the rest if the process that began dies.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::identity::DeleteAccount;
use crate::jobs::{Attempt, Job, JobError, Next};
use crate::keyring::Keyring;
use crate::store::people::Progress;
use crate::store::{Pepper, Store, StoreError};

/// Deletes a person who is hidden.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeletePerson {
    user_id: Uuid,
}

/// What deleting is done with.
pub(crate) struct Deleter {
    pub(crate) store: Store,
    pub(crate) pepper: Pepper,
    pub(crate) keyring: Arc<Keyring>,
}

impl Job for DeletePerson {
    type Context = Deleter;
    const KIND: &'static str = "delete_person";

    async fn run(self, with: &Deleter, attempt: &Attempt) -> Result<Next, JobError> {
        let Deleter {
            store,
            pepper,
            keyring,
        } = with;
        delete_hidden(store, pepper, keyring, self.user_id, attempt.now).await?;
        Ok(Next::Finished)
    }
}

/// A deletion whose first step is done: the person is hidden.
#[derive(Debug)]
#[must_use = "the person is hidden and not deleted yet"]
pub struct Hidden {
    user_id: Uuid,
    job_id: Uuid,
}

/// Hides a person, unless they are gone. What this process remembers of their sessions is for its caller
/// to forget.
pub async fn hide_person(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    user_id: Uuid,
    now: Timestamp,
) -> Result<Option<Hidden>, StoreError> {
    let job = DeletePerson { user_id }.to_row(keyring, now);
    let hidden = store.hide_person(user_id, pepper, &job, now).await?;
    let job_id = job.id;
    Ok(hidden.then_some(Hidden { user_id, job_id }))
}

impl Hidden {
    /// Deletes the person here, and their accounts at the identity provider by jobs.
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

/// Deletes a person who is hidden. Doing it twice is harmless.
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
            Progress::Gone => {
                metrics::counter!("people_deleted_total").increment(1);
                return Ok(());
            }
            Progress::GoneBefore => return Ok(()),
        }
    }
}

/// Hides a person and deletes them. `false` if there is no such person: doing it twice is harmless.
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
