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

/// Who has proved that a number is theirs.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// Our id.
    pub user_id: Uuid,
    /// The number.
    pub phone: &'a Phone,
}

/// An access token and what belongs to it.
pub struct Grant {
    /// What the person's requests carry.
    pub access_token: SecretString,
    /// Until when.
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

/// A session at the provider.
pub struct Upstream {
    /// The provider's name for it, as access tokens carry it.
    pub session_id: String,
    /// What it is continued with.
    pub tokens: UpstreamTokens,
}

/// Tokens of a session at the provider.
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
    /// What is to be sealed, and nothing else.
    pub fn to_sealed_json(&self) -> Zeroizing<Vec<u8>> {
        let kept = Kept {
            access: self.access.expose_secret(),
            refresh: self.refresh.expose_secret(),
        };
        Zeroizing::new(serde_json::to_vec(&kept).expect("two strings are JSON"))
    }

    /// What was sealed.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidTokens> {
        // Borrowed: tokens hold no character that JSON escapes.
        let kept: Kept<'_> = serde_json::from_slice(json).map_err(|_| InvalidTokens)?;
        Ok(Self {
            access: kept.access.into(),
            refresh: kept.refresh.into(),
        })
    }
}

/// Which sessions of a person end at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogoutScope {
    /// That of the tokens.
    Local,
    /// All but that of the tokens.
    Others,
    /// All.
    Global,
}

impl LogoutScope {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Others => "others",
            Self::Global => "global",
        }
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
