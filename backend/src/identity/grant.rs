//! The input and the result of a sign-in.
//!
//! A provider's own tokens never leave the backend. They are stored encrypted with their session, their `Debug`
//! shows nothing, and only [`UpstreamTokens::to_json`] serializes them.

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

/// An access token and, if a provider issued it, the provider's session that it belongs to.
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

/// A session at the provider, and its tokens.
pub struct Upstream {
    /// The provider's id of the session: the claim `session_id` of its access tokens.
    pub session_id: String,
    pub tokens: UpstreamTokens,
}

/// The tokens of a session at the provider.
#[derive(Clone)]
pub struct UpstreamTokens {
    /// Proves the person to the provider, until it expires.
    pub access: SecretString,
    /// Gets the next pair of tokens. The provider accepts it once, and again within its grace period.
    pub refresh: SecretString,
}

impl fmt::Debug for UpstreamTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamTokens(…)")
    }
}

/// The stored JSON is not a pair of tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pair of tokens")]
pub struct InvalidTokens;

#[derive(Serialize, Deserialize)]
struct TokensJson<'a> {
    access: &'a str,
    refresh: &'a str,
}

impl UpstreamTokens {
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let tokens = TokensJson {
            access: self.access.expose_secret(),
            refresh: self.refresh.expose_secret(),
        };
        Zeroizing::new(serde_json::to_vec(&tokens).expect("two strings are JSON"))
    }

    pub fn from_json(json: &[u8]) -> Result<Self, InvalidTokens> {
        // `&str` suffices, because tokens contain no character that JSON escapes.
        let tokens: TokensJson<'_> = serde_json::from_slice(json).map_err(|_| InvalidTokens)?;
        Ok(Self {
            access: tokens.access.into(),
            refresh: tokens.refresh.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_can_be_read_from_their_json_and_debug_shows_nothing() {
        let tokens = UpstreamTokens {
            access: "eyJhbGciOi.eyJzdWIi.c2ln-_".into(),
            refresh: "w77rj0000000".into(),
        };
        let read = UpstreamTokens::from_json(&tokens.to_json()).expect("valid JSON");
        assert_eq!(read.access.expose_secret(), tokens.access.expose_secret());
        assert_eq!(read.refresh.expose_secret(), tokens.refresh.expose_secret());
        assert_eq!(format!("{tokens:?}"), "UpstreamTokens(…)");
        for invalid in [&b""[..], b"{}", b"{\"access\":\"a\"}", b"[\"a\",\"b\",1]"] {
            assert_eq!(
                UpstreamTokens::from_json(invalid).err(),
                Some(InvalidTokens)
            );
        }
    }
}
