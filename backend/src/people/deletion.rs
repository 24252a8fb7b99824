//! Deleting a person, so that nothing of them is left but keyed hashes.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::jobs;
use crate::keyring::Keyring;
use crate::store::people::Deleted;
use crate::store::{Pepper, Store, StoreError};

/// Deletes a person here at once, and their accounts at the identity provider by jobs of the same
/// transaction. Doing it twice is harmless. Whoever remembers their sessions forgets them next.
pub async fn delete_person(
    store: &Store,
    pepper: &Pepper,
    keyring: &Keyring,
    user_id: Uuid,
    now: Timestamp,
) -> Result<Deleted, StoreError> {
    let deleted = store
        .delete_person(
            user_id,
            pepper,
            &|account| jobs::delete_account(keyring, &account.issuer, account.subject, now),
            now,
        )
        .await?;
    if deleted == Deleted::Now {
        metrics::counter!("people_deleted_total").increment(1);
    }
    Ok(deleted)
}
