//! The signing keys of this backend's own access tokens, in memory and in the database.
//!
//! A new key signs three minutes after its publication. By then every replica has loaded it and can verify its tokens.
//! A retired key verifies until the last token that it signed has expired. The next start or rotation removes it.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::json;
use zeroize::Zeroizing;

use super::ACCESS_TOKEN_TTL;
use crate::clock::Timestamp;
use crate::identity::claims::LEEWAY;
use crate::identity::failure::TokenError;
use crate::identity::token::VerifyingKey;
use crate::ids::random_id;
use crate::keyring::{Keyring, UnsealError};
use crate::store::{KeyError, SealedSigningKey, Store, StoreError};

/// The age at which the loaded keys are read again.
const RELOAD_INTERVAL: Duration = Duration::from_mins(1);
/// The shortest time between two reloads because of an unknown key, and between a failed reload and the next.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(5);
/// How long other services may cache the published keys.
pub(super) const MAX_AGE_OF_JWKS: Duration = Duration::from_mins(1);
/// The time between the publication of a new key and its first signature: longer than the reload interval of a
/// replica and the cache time of other services together.
const STANDBY: Duration = Duration::from_mins(3);

pub(super) struct SigningKeys {
    store: Store,
    keyring: Arc<Keyring>,
    loaded: RwLock<KeyCache>,
    /// Held during a reload, so that only one runs at a time.
    reloading: tokio::sync::Mutex<()>,
}

/// The keys in memory, and when they were loaded.
#[derive(Clone)]
struct KeyCache {
    keys: Arc<KeySet>,
    loaded_at: Timestamp,
    /// The time of the last reload, successful or not.
    tried_at: Timestamp,
    /// Whether the last reload failed.
    has_failed: bool,
}

/// The loaded keys, at least one.
pub(super) struct KeySet {
    /// The number of changes of the keys so far.
    pub(super) generation: u64,
    /// Oldest first.
    keys: Vec<Arc<LocalKey>>,
}

#[derive(Clone)]
pub(super) struct LocalKey {
    pub(super) id: String,
    pub(super) signing_key: EncodingKey,
    verifying_key: VerifyingKey,
    public_key: Jwk,
    /// When the key stops signing.
    retired_at: Option<Timestamp>,
    /// When the key stops verifying.
    expires_at: Option<Timestamp>,
}

impl SigningKeys {
    pub(super) async fn open(
        store: Store,
        keyring: Arc<Keyring>,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        match store.remove_expired_signing_keys(now).await {
            // The backend starts on a read-only database, too: an expired key verifies no token.
            Ok(_) | Err(StoreError::ReadOnly) => {}
            Err(error) => return Err(error.into()),
        }
        let mut rows = store.signing_keys().await?;
        if rows.iter().all(|row| row.retired_at.is_some()) {
            let (id, sealed) = new_key(&keyring);
            store.ensure_signing_key(&id, &sealed, now).await?;
            rows = store.signing_keys().await?;
        }
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            keys.push(Arc::new(open_key(&store, &keyring, row).await?));
        }
        if keys.is_empty() {
            // The keys were deleted during the start.
            return Err(StoreError::Closed.into());
        }
        let keys = Arc::new(KeySet {
            generation: 1,
            keys,
        });
        Ok(Self {
            store,
            keyring,
            loaded: RwLock::new(KeyCache {
                keys,
                loaded_at: now,
                tried_at: now.minus(MIN_RELOAD_INTERVAL),
                has_failed: false,
            }),
            reloading: tokio::sync::Mutex::default(),
        })
    }

    /// The keys, at most a minute old while the database answers.
    pub(super) async fn current(&self, now: Timestamp) -> Arc<KeySet> {
        let loaded = self.read();
        if !loaded.is_due(now) {
            return loaded.keys;
        }
        let _guard = self.reloading.lock().await;
        let loaded = self.read();
        if !loaded.is_due(now) {
            return loaded.keys;
        }
        // After a failed reload the loaded keys are used.
        self.reload(now).await.unwrap_or(loaded.keys)
    }

    /// Reloads the keys, at most once in [`MIN_RELOAD_INTERVAL`], and returns them. An error if the last reload failed.
    pub(super) async fn refreshed(&self, now: Timestamp) -> Result<Arc<KeySet>, TokenError> {
        let _guard = self.reloading.lock().await;
        let loaded = self.read();
        let reloaded = if !loaded.was_tried_recently(now) {
            self.reload(now).await
        } else if loaded.has_failed {
            None
        } else {
            Some(loaded.keys)
        };
        reloaded.ok_or(TokenError::Unavailable {
            retry_after: MIN_RELOAD_INTERVAL,
        })
    }

    /// Reads the keys from the database. The caller holds the lock `reloading`.
    async fn reload(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let reloaded = match self.read_from_store().await {
            Ok(keys) => Some(keys),
            Err(error) => {
                tracing::warn!(error = %error, "the signing keys cannot be reloaded; the loaded ones stay in use");
                None
            }
        };
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.tried_at = now;
        loaded.has_failed = reloaded.is_none();
        if let Some(keys) = &reloaded {
            loaded.keys = Arc::clone(keys);
            loaded.loaded_at = now;
        }
        reloaded
    }

    async fn read_from_store(&self) -> Result<Arc<KeySet>, StoreError> {
        let loaded = self.read();
        let rows = self.store.signing_keys().await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let old = loaded.keys.keys.iter().find(|key| key.id == row.id);
            if let Some(key) = old
                && (key.retired_at, key.expires_at) == (row.retired_at, row.expires_at)
            {
                keys.push(Arc::clone(key));
                continue;
            }
            match (open_key(&self.store, &self.keyring, row).await, old) {
                (Ok(key), _) => keys.push(Arc::new(key)),
                (Err(KeyError::Store(error)), _) => return Err(error),
                // During a deploy, a newer process may have sealed the signing key with a key that this process lacks.
                (Err(KeyError::Unseal(_)), Some(old)) => keys.push(Arc::new(LocalKey {
                    retired_at: row.retired_at,
                    expires_at: row.expires_at,
                    ..LocalKey::clone(old)
                })),
                (Err(error @ KeyError::Unseal(_)), None) => {
                    tracing::warn!(key_id = row.id, error = %error, "a signing key cannot be decrypted and is not used");
                }
            }
        }
        // A set has at least one key.
        if keys.is_empty() {
            keys.clone_from(&loaded.keys.keys);
        }
        let loaded_keys = loaded.keys.keys.iter().map(Arc::as_ptr);
        let is_same = keys.iter().map(Arc::as_ptr).eq(loaded_keys);
        Ok(if is_same {
            loaded.keys
        } else {
            Arc::new(KeySet {
                generation: loaded.keys.generation + 1,
                keys,
            })
        })
    }

    fn read(&self) -> KeyCache {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl KeyCache {
    /// Whether the keys have to be loaded again.
    fn is_due(&self, now: Timestamp) -> bool {
        now >= self.loaded_at.plus(RELOAD_INTERVAL) && !self.was_tried_recently(now)
    }

    /// Whether a reload ran within the last [`MIN_RELOAD_INTERVAL`].
    fn was_tried_recently(&self, now: Timestamp) -> bool {
        now < self.tried_at.plus(MIN_RELOAD_INTERVAL)
    }
}

impl KeySet {
    /// The key that signs at `now`: of the keys that may sign, the one that retires first, because other replicas may
    /// not have loaded a newer key yet. If none may sign, the newest key.
    pub(super) fn signing_key(&self, now: Timestamp) -> &LocalKey {
        let able = self.keys.iter().filter(|key| key.can_sign(now));
        let next = able.min_by_key(|key| (key.retired_at.is_none(), key.retired_at));
        next.or(self.keys.last())
            .expect("there is at least one key")
    }

    /// The key with this id, if it still verifies tokens at `now`.
    pub(super) fn verifying_key(&self, id: &str, now: Timestamp) -> Option<&VerifyingKey> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        key.can_verify(now).then_some(&key.verifying_key)
    }

    /// The public keys as a JSON Web Key Set.
    pub(super) fn public_json(&self, now: Timestamp) -> String {
        let able = self.keys.iter().filter(|key| key.can_verify(now));
        let keys: Vec<&Jwk> = able.map(|key| &key.public_key).collect();
        json!({ "keys": keys }).to_string()
    }
}

impl LocalKey {
    fn can_sign(&self, now: Timestamp) -> bool {
        self.retired_at.is_none_or(|at| at > now)
    }

    fn can_verify(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

impl VerifyingKey {
    fn es256(public_key: &Jwk) -> Self {
        let key = DecodingKey::from_jwk(public_key).expect("made from a key pair of ours");
        Self::new(Algorithm::ES256, key).expect("a key of P-256")
    }
}

/// The associated data of a sealed key, which binds the ciphertext to the key's id.
fn associated_data(id: &str) -> String {
    format!("access_token_signing/{id}")
}

/// The id of a new key, and the key sealed for the store.
fn new_key(keyring: &Keyring) -> (String, Vec<u8>) {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .expect("the system gives random bytes");
    let id = random_id().to_string();
    let sealed = keyring.seal(&associated_data(&id), pair.as_ref());
    (id, sealed)
}

/// Decrypts a key and proves that it signs. Stores it sealed with the newest key of the keyring if it is not yet.
async fn open_key(
    store: &Store,
    keyring: &Keyring,
    row: &SealedSigningKey,
) -> Result<LocalKey, KeyError> {
    let associated_data = associated_data(&row.id);
    let pair: Zeroizing<Vec<u8>> = keyring.open(&associated_data, &row.sealed)?;
    let signing_key = EncodingKey::from_ec_der(&pair);
    let mut public_key =
        Jwk::from_encoding_key(&signing_key, Algorithm::ES256).map_err(|_| UnsealError::Damaged)?;
    jsonwebtoken::crypto::sign(b"proof", &signing_key, Algorithm::ES256)
        .map_err(|_| UnsealError::Damaged)?;
    public_key.common.key_id = Some(row.id.clone());
    public_key.common.public_key_use = Some(PublicKeyUse::Signature);
    if !keyring.is_sealed_with_newest(&row.sealed) {
        store
            .reseal(&row.id, &row.sealed, &keyring.seal(&associated_data, &pair))
            .await?;
    }
    Ok(LocalKey {
        id: row.id.clone(),
        signing_key,
        verifying_key: VerifyingKey::es256(&public_key),
        public_key,
        retired_at: row.retired_at,
        expires_at: row.expires_at,
    })
}

/// Adds a key, which signs from three minutes later on. The other keys sign until then, and verify until their last
/// tokens have expired. Seals every key with the newest key of the keyring. Returns the id of the new key.
pub async fn rotate(store: &Store, keyring: &Keyring, now: Timestamp) -> Result<String, KeyError> {
    // `rotate_signing_key` locks the row that this creates.
    store.own_issuer(random_id(), now).await?;
    for row in store.signing_keys().await? {
        open_key(store, keyring, &row).await?;
    }
    let retire_at = now.plus(STANDBY);
    // A replica may sign with a retired key until its next reload.
    let expire_at = retire_at
        .plus(RELOAD_INTERVAL)
        .plus(ACCESS_TOKEN_TTL)
        .plus(LEEWAY);
    let (id, sealed) = new_key(keyring);
    store
        .rotate_signing_key(&id, &sealed, now, retire_at, expire_at)
        .await?;
    store.remove_expired_signing_keys(now).await?;
    Ok(id)
}
