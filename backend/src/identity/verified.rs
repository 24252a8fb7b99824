//! A cache of verified tokens, so that the signature of a token is checked once and not with every request.
//!
//! The cache has two halves; when the younger is full, the older is dropped. The key of an entry is the digest
//! of the whole token. After a change of the signing keys, tokens are verified again. The caller checks the
//! expiry on every use.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::claims::Claims;
use crate::keyring::digest;

/// The capacity of a half. With 150 bytes for each entry, both halves stay below 3 MB.
const HALF: usize = 8_192;

#[derive(Default)]
pub(super) struct VerifiedTokens {
    halves: Mutex<Halves>,
}

#[derive(Default)]
struct Halves {
    /// The generation of the keys that verified all entries.
    generation: u64,
    young: HashMap<[u8; 32], Claims>,
    old: HashMap<[u8; 32], Claims>,
}

impl VerifiedTokens {
    pub(super) fn get(&self, token: &str, generation: u64) -> Option<Claims> {
        let key = digest(token.as_bytes());
        let mut halves = self.lock();
        if halves.generation != generation {
            return None;
        }
        if let Some(claims) = halves.young.get(&key) {
            return Some(claims.clone());
        }
        let claims = halves.old.remove(&key)?;
        halves.insert(key, claims.clone());
        Some(claims)
    }

    pub(super) fn put(&self, token: &str, generation: u64, claims: Claims) {
        let mut halves = self.lock();
        if halves.generation != generation {
            *halves = Halves {
                generation,
                ..Halves::default()
            };
        }
        halves.insert(digest(token.as_bytes()), claims);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn insert(&mut self, key: [u8; 32], claims: Claims) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, claims);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::identity::claims::SessionRef;

    fn claims() -> Claims {
        Claims {
            subject: uuid::Uuid::from_u128(1),
            session: SessionRef::Upstream("s".to_owned()),
            expires_at: Timestamp::from_secs(1),
        }
    }

    #[test]
    fn new_keys_empty_the_cache_which_never_grows_beyond_two_halves() {
        let tokens = VerifiedTokens::default();
        tokens.put("a", 1, claims());
        assert_eq!(tokens.get("a", 1), Some(claims()));
        assert_eq!(tokens.get("b", 1), None);
        assert_eq!(tokens.get("a", 2), None);
        tokens.put("b", 2, claims());
        assert_eq!(tokens.get("a", 2), None);
        for n in 0..3 * HALF {
            tokens.put(&n.to_string(), 2, claims());
            tokens.get("b", 2).expect("a used entry stays");
        }
        let halves = tokens.lock();
        assert!(halves.young.len() + halves.old.len() <= 2 * HALF);
    }
}
