//! A cache of verified tokens, so that the signature of a token is checked once and not with every request.
//!
//! The key of an entry is the digest of the whole token, with the generation of the signing keys that verified
//! it. After a change of the signing keys, tokens are verified again. The caller checks the expiry on every use.

use quick_cache::sync::Cache;

use super::claims::Claims;
use crate::keyring::digest;

/// With 200 bytes an entry, the cache stays below 4 MB.
const CAPACITY: usize = 16_384;

pub(super) struct VerifiedTokens(Cache<(u64, [u8; 32]), Claims>);

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl VerifiedTokens {
    pub(super) fn get(&self, token: &str, generation: u64) -> Option<Claims> {
        self.0.get(&(generation, digest(token.as_bytes())))
    }

    pub(super) fn put(&self, token: &str, generation: u64, claims: Claims) {
        let key = (generation, digest(token.as_bytes()));
        self.0.insert(key, claims);
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
    fn a_token_is_cached_for_the_keys_that_verified_it_and_the_cache_is_bounded() {
        let tokens = VerifiedTokens::default();
        tokens.put("a", 1, claims());
        assert_eq!(tokens.get("a", 1), Some(claims()));
        assert_eq!(tokens.get("b", 1), None);
        assert_eq!(tokens.get("a", 2), None);
        tokens.put("b", 2, claims());
        assert_eq!(tokens.get("a", 2), None);
        for n in 0..2 * CAPACITY {
            tokens.put(&n.to_string(), 2, claims());
            tokens.get("b", 2).expect("a used entry stays");
        }
        assert!(tokens.0.len() <= CAPACITY);
    }
}
