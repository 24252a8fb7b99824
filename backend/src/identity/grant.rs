//! What signing in yields, and for whom it is asked.
//!
//! A provider's own tokens never leave the backend; they are kept sealed, beside the session that they
//! belong to. So they have no `Debug` and no `Serialize`: the one way out is what is to be sealed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::phone::Phone;

/// A person who has proved that a number is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    pub user_id: Uuid,
    pub phone: &'a Phone,
}

/// An access token and what belongs to it.
pub struct Grant {
    pub access_token: SecretString,
    pub expires_at: Timestamp,
    /// The person's id at the issuer.
    pub subject: Uuid,
    /// The provider's own session, if the issuer is not this backend.
    pub upstream: Option<Upstream>,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("subject", &self.subject)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

pub struct Upstream {
    /// The provider's name for it, as access tokens carry it.
    pub session_id: String,
    pub tokens: UpstreamTokens,
}

/// The tokens of a session at the provider.
#[derive(Clone)]
pub struct UpstreamTokens {
    /// Proves the person to the provider, until it expires.
    pub access: SecretString,
    /// Gets the next pair, about once.
    pub refresh: SecretString,
}

impl fmt::Debug for UpstreamTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamTokens(…)")
    }
}

/// What was unsealed is not a pair of tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pair of tokens")]
pub struct InvalidTokens;

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    access: &'a str,
    refresh: &'a str,
}

impl UpstreamTokens {
    pub fn to_sealed_json(&self) -> Zeroizing<Vec<u8>> {
        let kept = Kept {
            access: self.access.expose_secret(),
            refresh: self.refresh.expose_secret(),
        };
        Zeroizing::new(serde_json::to_vec(&kept).expect("two strings are JSON"))
    }

    pub fn from_json(json: &[u8]) -> Result<Self, InvalidTokens> {
        // Borrowed: tokens hold no character that JSON escapes.
        let kept: Kept<'_> = serde_json::from_slice(json).map_err(|_| InvalidTokens)?;
        Ok(Self {
            access: kept.access.into(),
            refresh: kept.refresh.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_reads_back_and_shows_nothing() {
        let tokens = UpstreamTokens {
            access: "eyJhbGciOi.eyJzdWIi.c2ln-_".into(),
            refresh: "w77rj0000000".into(),
        };
        let read = UpstreamTokens::from_json(&tokens.to_sealed_json()).expect("its own");
        assert_eq!(read.access.expose_secret(), tokens.access.expose_secret());
        assert_eq!(read.refresh.expose_secret(), tokens.refresh.expose_secret());
        assert_eq!(format!("{tokens:?}"), "UpstreamTokens(…)");
        for other in [&b""[..], b"{}", b"{\"access\":\"a\"}", b"[\"a\",\"b\",1]"] {
            assert_eq!(UpstreamTokens::from_json(other).err(), Some(InvalidTokens));
        }
    }
}
