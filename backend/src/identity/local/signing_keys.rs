//! The keys of this backend's own access tokens, in memory and on their way to and from the database.
//!
//! A new key is published first and signs later, when every replica has it: so no replica ever meets a
//! token by a key that it does not know. One that is retired verifies for as long as what it signed
//! may live, and is then removed.

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
use crate::keyring::{CannotOpen, Keyring};
use crate::store::{KeyError, SealedSigningKey, Store, StoreError};

const RELOAD_EVERY: Duration = Duration::from_mins(1);
/// How often an unknown name may make us look again, and how soon after a failure.
const RELOAD_FLOOR: Duration = Duration::from_secs(5);
/// How long verifiers elsewhere may keep the published keys.
pub(super) const MAX_AGE_OF_JWKS: Duration = Duration::from_mins(1);
/// How long a new key is published before it signs: longer than both of the above together.
const STANDBY: Duration = Duration::from_mins(3);

pub(super) struct SigningKeys {
    store: Store,
    keyring: Arc<Keyring>,
    loaded: RwLock<Loaded>,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Loaded {
    keys: Arc<KeySet>,
    at: Timestamp,
    /// When they were last looked for, and whether in vain.
    tried_at: Timestamp,
    has_failed: bool,
}

/// Keys that belong together. At least one.
pub(super) struct KeySet {
    /// Counts changes.
    pub(super) generation: u64,
    /// Oldest first.
    keys: Vec<Arc<LocalKey>>,
}

pub(super) struct LocalKey {
    pub(super) id: String,
    pub(super) signing: EncodingKey,
    verifying: VerifyingKey,
    public: Jwk,
    retired_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl SigningKeys {
    pub(super) async fn open(
        store: Store,
        keyring: Arc<Keyring>,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        match store.remove_expired_signing_keys(now).await {
            // It is started on all the same; what has expired verifies nothing.
            Ok(_) | Err(StoreError::ReadOnly) => {}
            Err(error) => return Err(error.into()),
        }
        let mut rows = store.signing_keys().await?;
        if rows.iter().all(|row| row.retired_at.is_some()) {
            let (id, sealed) = fresh_key(&keyring);
            store.ensure_signing_key(&id, &sealed, now).await?;
            rows = store.signing_keys().await?;
        }
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            keys.push(Arc::new(open_key(&store, &keyring, row).await?));
        }
        if keys.is_empty() {
            // Keys are deleted while we start.
            return Err(StoreError::Closed.into());
        }
        let keys = Arc::new(KeySet {
            generation: 1,
            keys,
        });
        Ok(Self {
            store,
            keyring,
            loaded: RwLock::new(Loaded {
                keys,
                at: now,
                tried_at: now.minus(RELOAD_FLOOR),
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
        let _turn = self.reloading.lock().await;
        let loaded = self.read();
        if !loaded.is_due(now) {
            return loaded.keys;
        }
        // What is known goes on being good.
        self.reload(now).await.unwrap_or(loaded.keys)
    }

    /// The keys after a look at the database, unless it was looked at just now.
    pub(super) async fn look_again(&self, now: Timestamp) -> Result<Arc<KeySet>, TokenError> {
        let _turn = self.reloading.lock().await;
        let loaded = self.read();
        let reloaded = if !loaded.was_tried(now) {
            self.reload(now).await
        } else if loaded.has_failed {
            None
        } else {
            Some(loaded.keys)
        };
        reloaded.ok_or(TokenError::Unavailable {
            retry_after: RELOAD_FLOOR,
        })
    }

    /// Only in turn.
    async fn reload(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let read = self.read_from_store().await;
        let reloaded = match read {
            Ok(keys) => Some(keys),
            Err(error) => {
                tracing::warn!(error = %error, "signing keys are not reloaded; going on with those known");
                None
            }
        };
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        loaded.tried_at = now;
        loaded.has_failed = reloaded.is_none();
        if let Some(keys) = &reloaded {
            loaded.keys = Arc::clone(keys);
            loaded.at = now;
        }
        reloaded
    }

    async fn read_from_store(&self) -> Result<Arc<KeySet>, StoreError> {
        let known = self.read();
        let rows = self.store.signing_keys().await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in &rows {
            let old = known.keys.keys.iter().find(|key| key.id == row.id);
            if let Some(key) = old
                && (key.retired_at, key.expires_at) == (row.retired_at, row.expires_at)
            {
                keys.push(Arc::clone(key));
                continue;
            }
            match (open_key(&self.store, &self.keyring, row).await, old) {
                (Ok(key), _) => keys.push(Arc::new(key)),
                (Err(KeyError::Store(error)), _) => return Err(error),
                // During a deploy a newer process has sealed it under a key that this one lacks.
                (Err(KeyError::Sealed(_)), Some(old)) => keys.push(Arc::new(LocalKey {
                    id: old.id.clone(),
                    signing: old.signing.clone(),
                    verifying: VerifyingKey::es256(&old.public),
                    public: old.public.clone(),
                    retired_at: row.retired_at,
                    expires_at: row.expires_at,
                })),
                (Err(error @ KeyError::Sealed(_)), None) => {
                    tracing::warn!(key_id = row.id, error = %error, "a signing key is passed over");
                }
            }
        }
        if keys.is_empty() {
            keys.clone_from(&known.keys.keys);
        }
        let is_same = keys.len() == known.keys.keys.len()
            && keys
                .iter()
                .zip(&known.keys.keys)
                .all(|(new, old)| Arc::ptr_eq(new, old));
        Ok(if is_same {
            known.keys
        } else {
            Arc::new(KeySet {
                generation: known.keys.generation + 1,
                keys,
            })
        })
    }

    fn read(&self) -> Loaded {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Loaded {
    fn is_due(&self, now: Timestamp) -> bool {
        now >= self.at.plus(RELOAD_EVERY) && !self.was_tried(now)
    }

    /// Whether the database was looked at just now, in vain or not.
    fn was_tried(&self, now: Timestamp) -> bool {
        now < self.tried_at.plus(RELOAD_FLOOR)
    }
}

impl KeySet {
    /// The key that signs now: of those that are not retired, the one that is retired next.
    pub(super) fn signing(&self, now: Timestamp) -> &LocalKey {
        let active = self.keys.iter().filter(|key| key.retires_after(now));
        let next = active.min_by_key(|key| (key.retired_at.is_none(), key.retired_at));
        next.or(self.keys.last())
            .expect("there is at least one key")
    }

    pub(super) fn verifying(&self, id: &str, now: Timestamp) -> Option<&VerifyingKey> {
        let key = self.keys.iter().find(|key| key.id == id)?;
        key.is_alive(now).then_some(&key.verifying)
    }

    /// As a JSON Web Key Set.
    pub(super) fn public(&self, now: Timestamp) -> String {
        let alive = self.keys.iter().filter(|key| key.is_alive(now));
        let keys: Vec<&Jwk> = alive.map(|key| &key.public).collect();
        json!({ "keys": keys }).to_string()
    }
}

impl LocalKey {
    fn retires_after(&self, now: Timestamp) -> bool {
        self.retired_at.is_none_or(|at| at > now)
    }

    fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

impl VerifyingKey {
    fn es256(public: &Jwk) -> Self {
        let key = DecodingKey::from_jwk(public).expect("made from a key pair of ours");
        Self::new(Algorithm::ES256, key).expect("a key of P-256")
    }
}

fn aad(id: &str) -> String {
    format!("access_token_signing/{id}")
}

fn fresh_key(keyring: &Keyring) -> (String, Vec<u8>) {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .expect("the system gives random bytes");
    let id = random_id().to_string();
    let sealed = keyring.seal(&aad(&id), pair.as_ref());
    (id, sealed)
}

/// Opens a key, proves that it signs, and puts it under the newest key of the keyring.
async fn open_key(
    store: &Store,
    keyring: &Keyring,
    row: &SealedSigningKey,
) -> Result<LocalKey, KeyError> {
    let aad = aad(&row.id);
    let pair: Zeroizing<Vec<u8>> = keyring.open(&aad, &row.sealed)?;
    let signing = EncodingKey::from_ec_der(&pair);
    let mut public =
        Jwk::from_encoding_key(&signing, Algorithm::ES256).map_err(|_| CannotOpen::Damaged)?;
    jsonwebtoken::crypto::sign(b"proof", &signing, Algorithm::ES256)
        .map_err(|_| CannotOpen::Damaged)?;
    public.common.key_id = Some(row.id.clone());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    if !keyring.is_newest(&row.sealed) {
        store
            .reseal(&row.id, &row.sealed, &keyring.seal(&aad, &pair))
            .await?;
    }
    Ok(LocalKey {
        id: row.id.clone(),
        signing,
        verifying: VerifyingKey::es256(&public),
        public,
        retired_at: row.retired_at,
        expires_at: row.expires_at,
    })
}

/// Makes a new key. It signs from a few minutes on; the others verify for as long as their tokens may
/// live. Puts every key under the newest key of the keyring. Returns the new key's name.
pub async fn rotate(store: &Store, keyring: &Keyring, now: Timestamp) -> Result<String, KeyError> {
    store.own_issuer(random_id(), now).await?;
    for row in store.signing_keys().await? {
        open_key(store, keyring, &row).await?;
    }
    let retire_at = now.plus(STANDBY);
    // A replica may not know for a minute that its key is retired.
    let expire_at = retire_at
        .plus(RELOAD_EVERY)
        .plus(ACCESS_TOKEN_TTL)
        .plus(LEEWAY);
    let (id, sealed) = fresh_key(keyring);
    store
        .rotate_signing_key(&id, &sealed, now, retire_at, expire_at)
        .await?;
    store.remove_expired_signing_keys(now).await?;
    Ok(id)
}
