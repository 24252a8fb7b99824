//! The key of all keyed hashes of a database, for whoever reads or writes some.

use super::Failure;
use crate::clock::Timestamp;
use crate::ids::random_bytes;
use crate::keyring::Keyring;
use crate::store::{KeyError, Pepper, Store};

pub(super) async fn pepper(
    store: &Store,
    keyring: &Keyring,
    now: Timestamp,
) -> Result<Pepper, Failure> {
    let pepper = store.pepper(keyring, random_bytes(), now).await;
    pepper.map_err(|error| match error {
        KeyError::Sealed(_) => Failure::Configuration(error.into()),
        KeyError::Store(_) => Failure::Database(error.into()),
    })
}
