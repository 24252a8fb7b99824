//! Keys that are stored in the database, sealed by the keyring. They stay the same when the keyring gets a new key.

use zeroize::Zeroizing;

use super::execute::Execute;
use super::statement::statements;
use super::{Store, StoreError};
use crate::clock::Timestamp;
use crate::keyring::{Keyring, UnsealError, keyed_hash};

/// The id and the purpose of the pepper's row.
const PEPPER: &str = "pepper";

statements! {
    /// The first key stays, so that replicas that start at the same moment use one key.
    CREATE_SINGLE_KEY {
        both: "insert into sealed_keys (id, purpose, sealed, created_at) values ($1, $1, $2, $3)
               on conflict (id) do nothing",
    }
    READ_KEY {
        both: "select sealed from sealed_keys where id = $1",
    }
    RESEAL_KEY {
        both: "update sealed_keys set sealed = $3 where id = $1 and sealed = $2",
    }
}

/// The key of every keyed hash in the database. It never changes, since stored hashes have to be found again.
#[derive(Clone)]
pub struct Pepper(Zeroizing<[u8; 32]>);

impl Pepper {
    /// A pepper with a given key. [`Store::pepper`] returns that of the database.
    pub fn of(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// A keyed hash of `text`. Equal texts of different kinds have different hashes.
    pub fn hash(&self, kind: &str, text: &str) -> [u8; 32] {
        keyed_hash(&self.0[..], &[kind.as_bytes(), text.as_bytes()])
    }
}

/// A key in the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The keyring cannot open the key.
    #[error("a key in the database is {0}; put the key that sealed it back into SESSION_SECRET")]
    Unseal(#[from] UnsealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Returns the pepper of this database. If the database has none, the random bytes `fresh` become its pepper.
    pub async fn pepper(
        &self,
        keyring: &Keyring,
        fresh: [u8; 32],
        now: Timestamp,
    ) -> Result<Pepper, KeyError> {
        // Reads first, so that the backend can start on a database that is read-only at this time.
        let mut sealed = self.sealed_key(PEPPER).await?;
        if sealed.is_none() {
            let sealed_fresh = keyring.seal(PEPPER, &fresh);
            let params = (PEPPER, sealed_fresh, now);
            self.pools
                .writes()
                .execute(CREATE_SINGLE_KEY, params)
                .await?;
            sealed = self.sealed_key(PEPPER).await?;
        }
        let sealed = sealed.ok_or(StoreError::Closed)?;
        let plain = keyring.open(PEPPER, &sealed)?;
        if !keyring.is_sealed_with_newest(&sealed) {
            self.reseal(PEPPER, &sealed, &keyring.seal(PEPPER, &plain))
                .await?;
        }
        let key: [u8; 32] = plain[..].try_into().map_err(|_| UnsealError::Damaged)?;
        Ok(Pepper::of(key))
    }

    async fn sealed_key(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.pools.writes().optional_value(READ_KEY, (id,)).await
    }

    /// Replaces a stored key by the same key, sealed with the newest key of the keyring.
    pub(crate) async fn reseal(&self, id: &str, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        // If no row changes, another replica has replaced the key already.
        self.pools
            .writes()
            .execute(RESEAL_KEY, (id, from, to))
            .await?;
        Ok(())
    }
}
