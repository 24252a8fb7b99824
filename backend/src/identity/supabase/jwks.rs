//! A project's public keys. They are fetched again when they are ten minutes old, or when a token names another key.
//!
//! Keys that are younger than thirty seconds are not fetched again, so that forged key ids do not cause a request
//! each. While fetches fail, the last keys are used until they are an hour old.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::client::Client;
use crate::clock::Timestamp;
use crate::identity::failure::TokenError;
use crate::identity::token::VerifyingKey;

/// The age below which the keys are used without a fetch.
const FRESH_FOR: Duration = Duration::from_mins(10);
/// The age below which the keys are used if they cannot be fetched.
const STALE_FOR: Duration = Duration::from_hours(1);
/// The age below which the keys are not fetched because of an unknown key.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(30);
/// The shortest time between a failed fetch and the next.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// The timeout is short, because requests wait for the fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// The largest number of keys that are read from a document. Real projects have fewer.
const MAX_KEYS: usize = 32;

/// The keys, and when they were fetched.
#[derive(Default)]
pub(super) struct JwksCache {
    state: RwLock<JwksState>,
    /// Held during a fetch, so that only one runs at a time.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct JwksState {
    fetched: Option<(Timestamp, Arc<PublicKeys>)>,
    failed_at: Option<Timestamp>,
}

/// The keys of one published document.
#[derive(Default)]
pub(super) struct PublicKeys {
    /// The number of changes of the document so far.
    pub(super) generation: u64,
    by_id: HashMap<String, VerifyingKey>,
    /// The published document.
    document: Value,
}

impl PublicKeys {
    pub(super) fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.by_id.get(id)
    }
}

impl JwksCache {
    /// The keys, if they are so new that no fetch is due.
    pub(super) fn fresh(&self, now: Timestamp) -> Option<Arc<PublicKeys>> {
        let state = self.read();
        let is_fresh = state.is_younger_than(FRESH_FOR, now);
        state.fetched.filter(|_| is_fresh).map(|(_, keys)| keys)
    }

    /// The keys, fetched if a fetch is due. If another request is fetching, keys that are younger than an hour are
    /// returned at once; otherwise this request waits for that fetch. If the fetch fails, the last keys are returned,
    /// or `None` if they are older than an hour.
    pub(super) async fn available(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Option<Arc<PublicKeys>> {
        let state = self.read();
        if state.is_younger_than(FRESH_FOR, now) || state.has_failed_within(RETRY_INTERVAL, now) {
            return state.usable(now);
        }
        let guard = match self.fetching.try_lock() {
            Ok(guard) => guard,
            Err(_) if state.is_younger_than(STALE_FOR, now) => return state.usable(now),
            Err(_) => self.fetching.lock().await,
        };
        self.fetch(client, now, &state, &guard).await;
        self.read().usable(now)
    }

    /// The keys, fetched unless they are younger than [`MIN_FETCH_INTERVAL`]. An error if the last fetch failed.
    pub(super) async fn refreshed(
        &self,
        client: &Client,
        now: Timestamp,
    ) -> Result<Arc<PublicKeys>, TokenError> {
        let unavailable = TokenError::Unavailable {
            retry_after: RETRY_INTERVAL,
        };
        let state = self.read();
        if state.has_failed_within(RETRY_INTERVAL, now) {
            return Err(unavailable);
        }
        if !state.is_younger_than(MIN_FETCH_INTERVAL, now) {
            let guard = self.fetching.lock().await;
            self.fetch(client, now, &state, &guard).await;
        }
        let state = self.read();
        match state.fetched {
            Some((_, keys)) if state.failed_at.is_none() => Ok(keys),
            _ => Err(unavailable),
        }
    }

    /// Fetches the keys, unless another request has fetched them since the caller saw the state `seen`.
    async fn fetch(
        &self,
        client: &Client,
        now: Timestamp,
        seen: &JwksState,
        _guard: &tokio::sync::MutexGuard<'_, ()>,
    ) {
        let state = self.read();
        if state.times() != seen.times() {
            return;
        }
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, client.jwks()).await;
        let fetched = fetched.ok().and_then(Result::ok);
        let document = fetched.filter(|document| document["keys"].is_array());
        let outcome = if document.is_some() { "ok" } else { "failed" };
        metrics::counter!("jwks_fetches_total", "outcome" => outcome).increment(1);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let Some(document) = document else {
            state.failed_at = Some(now);
            return;
        };
        state.failed_at = None;
        let keys = match state.fetched.take() {
            Some((_, keys)) if keys.document == document => keys,
            old => Arc::new(PublicKeys {
                generation: old.map_or(1, |(_, keys)| keys.generation + 1),
                by_id: read_keys(&document),
                document,
            }),
        };
        state.fetched = Some((now, keys));
    }

    fn read(&self) -> JwksState {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl JwksState {
    fn is_younger_than(&self, age: Duration, now: Timestamp) -> bool {
        self.fetched
            .as_ref()
            .is_some_and(|(fetched_at, _)| now < fetched_at.plus(age))
    }

    fn has_failed_within(&self, duration: Duration, now: Timestamp) -> bool {
        self.failed_at
            .is_some_and(|failed_at| now < failed_at.plus(duration))
    }

    /// The keys, if they are younger than [`STALE_FOR`].
    fn usable(self, now: Timestamp) -> Option<Arc<PublicKeys>> {
        let usable = self.is_younger_than(STALE_FOR, now);
        self.fetched.filter(|_| usable).map(|(_, keys)| keys)
    }

    /// The times of the last successful fetch, and of a failed fetch after it.
    fn times(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.fetched.as_ref().map(|(at, _)| *at), self.failed_at)
    }
}

/// The usable keys of the document.
fn read_keys(document: &Value) -> HashMap<String, VerifyingKey> {
    let keys = document["keys"].as_array().map_or(&[][..], Vec::as_slice);
    let mut by_id = HashMap::new();
    for key in keys.iter().take(MAX_KEYS) {
        if let Some((id, key)) = read_key(key) {
            by_id.entry(id).or_insert(key);
        } else {
            tracing::warn!("a published key of the identity provider cannot be used");
        }
    }
    by_id
}

fn read_key(key: &Value) -> Option<(String, VerifyingKey)> {
    // `key_ops` is not needed, and an unknown value of it would make the key unreadable.
    let mut key = key.clone();
    key.as_object_mut()?.remove("key_ops");
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let is_for_signatures = match jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(_) => false,
    };
    let stated = jwk.common.key_algorithm.map(|name| name.to_string());
    let algorithm: Algorithm = match (stated, &jwk.algorithm) {
        (Some(name), _) => name.parse().ok()?,
        (None, AlgorithmParameters::EllipticCurve(curve)) => match curve.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        (None, AlgorithmParameters::OctetKeyPair(_)) => Algorithm::EdDSA,
        (None, _) => return None,
    };
    let id = jwk.common.key_id.clone().filter(|id| !id.is_empty())?;
    let key = VerifyingKey::new(algorithm, DecodingKey::from_jwk(&jwk).ok()?)?;
    is_for_signatures.then_some((id, key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ids(keys: &Value) -> Vec<String> {
        let mut ids: Vec<_> = read_keys(&json!({ "keys": keys })).into_keys().collect();
        ids.sort();
        ids
    }

    #[test]
    fn only_public_keys_for_signatures_are_used() {
        let recorded = json!({
            "alg": "ES256", "crv": "P-256", "ext": true, "key_ops": ["verify"], "kid": "a", "kty": "EC",
            "use": "sig", "x": "tHITYPlGsHuV50GN8I98rs1mtNKAu530JmgK7-TX17w",
            "y": "bxAfNSskXqR1GU_tcGqGEmUiIOd6G23yL9MMUiWD7po",
        });
        let with = |key: &str, value: Value| {
            let mut changed = recorded.clone();
            changed[key] = value;
            changed
        };
        let rsa = json!({"alg": "RS256", "kty": "RSA", "kid": "r", "use": "sig", "n": "AQAB", "e": "AQAB"});
        assert_eq!(ids(&json!([recorded, rsa])), ["a", "r"]);
        assert_eq!(ids(&json!([with("alg", Value::Null)])), ["a"]);
        let secret = json!({"alg": "HS256", "kty": "oct", "kid": "s", "k": "AQAB"});
        for bad in [
            secret,
            with("alg", json!("HS256")),
            with("alg", json!("RS256")),
            with("alg", json!("ES512")),
            with("use", json!("enc")),
            with("kid", json!("")),
            with("kid", Value::Null),
            with("x", json!("=")),
            json!("key"),
            json!(null),
        ] {
            assert_eq!(ids(&json!([bad])), [""; 0], "{bad}");
        }
        assert_eq!(ids(&json!({})), [""; 0]);
    }
}
