//! Deleting a person, so that nothing of them is left but keyed hashes.
//!
//! A person is hidden first, and then deleted in slices. A job that is written with the first step does
//! the rest if the process that began dies.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::jobs;
use crate::keyring::Keyring;
use crate::store::people::{Deleted, Progress};
use crate::store::{Pepper, Store, StoreError};

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
    let job = jobs::delete_person(keyring, user_id, now);
    let hidden = store.hide_person(user_id, pepper, &job, now).await?;
    let job_id = job.id;
    Ok((hidden == Deleted::Now).then_some(Hidden { user_id, job_id }))
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
pub(crate) async fn delete_hidden(
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
                &|account| jobs::delete_account(keyring, &account.issuer, account.subject, now),
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

/// Hides a person and deletes them. Doing it twice is harmless.
pub async fn delete_person(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    user_id: Uuid,
    now: Timestamp,
) -> Result<Deleted, StoreError> {
    let Some(hidden) = hide_person(store, pepper, keyring, user_id, now).await? else {
        return Ok(Deleted::Before);
    };
    hidden.finish(store, pepper, keyring, now).await?;
    Ok(Deleted::Now)
}
