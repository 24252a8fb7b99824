//! What an access token claims, and which claims count.
//!
//! Who, in which session, until when: nothing else is looked at. Phone, e-mail and metadata are claims
//! of people about themselves. Whether anybody signed the claims is decided elsewhere.

use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::failure::InvalidToken;
use crate::clock::Timestamp;

/// How far clocks may differ.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// Audience of people's tokens, and their role: of all that a Supabase project signs, only these are a
/// person's.
pub(super) const AUTHENTICATED: &str = "authenticated";
/// Longest name of a session.
const MAX_SESSION_CHARS: usize = 64;

/// What counts of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The person's id at the issuer.
    pub subject: Uuid,
    /// The session that it was issued for.
    pub session: SessionRef,
    /// Until when it holds, without leeway.
    pub expires_at: Timestamp,
}

/// A session, by the name that its issuer gave it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionRef {
    /// A session of ours.
    Own(Uuid),
    /// The provider's name for it.
    Upstream(String),
}

/// Claims, and whether they are proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// By a public key of the issuer.
    Proven(Claims),
    /// Not by anything that can be checked here (HS256): compare the token with what was issued, or ask
    /// the provider.
    Claimed(Claims),
}

/// Claims as they stand in a token. A claim that comes twice is refused.
#[derive(Deserialize)]
pub(super) struct RawClaims {
    iss: Option<String>,
    sub: Option<Uuid>,
    aud: Option<serde_json::Value>,
    exp: Option<i64>,
    nbf: Option<i64>,
    role: Option<String>,
    session_id: Option<String>,
    #[serde(default)]
    is_anonymous: Option<bool>,
}

impl RawClaims {
    pub(super) fn read(payload: &[u8]) -> Result<Self, InvalidToken> {
        serde_json::from_slice(payload).map_err(|_| InvalidToken::Claims)
    }

    /// Whether `issuer` means a person by it, whatever the time is.
    pub(super) fn check(
        &self,
        issuer: &str,
        session: impl FnOnce(&str) -> Option<SessionRef>,
    ) -> Result<Claims, InvalidToken> {
        if self.iss.as_deref() != Some(issuer) {
            return Err(InvalidToken::Issuer);
        }
        // One string, as both issuers write it; a list may name others besides us.
        if self.aud.as_ref().and_then(|aud| aud.as_str()) != Some(AUTHENTICATED) {
            return Err(InvalidToken::Audience);
        }
        if self.role.as_deref() != Some(AUTHENTICATED) {
            return Err(InvalidToken::Role);
        }
        if self.is_anonymous == Some(true) {
            return Err(InvalidToken::Anonymous);
        }
        let session = self.session_id.as_deref().and_then(session);
        match (self.sub, session, self.exp) {
            (Some(subject), Some(session), Some(exp)) if !subject.is_nil() => Ok(Claims {
                subject,
                session,
                expires_at: Timestamp::from_secs(exp),
            }),
            _ => Err(InvalidToken::Claims),
        }
    }

    /// Whether its time has come.
    pub(super) fn check_begun(&self, now: Timestamp) -> Result<(), InvalidToken> {
        match self.nbf {
            Some(nbf) if Timestamp::from_secs(nbf) > now.plus(LEEWAY) => Err(InvalidToken::NotYet),
            _ => Ok(()),
        }
    }
}

impl Claims {
    /// Whether its time is over.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), InvalidToken> {
        if now >= self.expires_at.plus(LEEWAY) {
            Err(InvalidToken::Expired)
        } else {
            Ok(())
        }
    }
}

/// A session of ours.
pub(super) fn own_session(name: &str) -> Option<SessionRef> {
    name.parse().ok().map(SessionRef::Own)
}

/// A provider's session.
pub(super) fn upstream_session(name: &str) -> Option<SessionRef> {
    let fits = (1..=MAX_SESSION_CHARS).contains(&name.chars().count());
    fits.then(|| SessionRef::Upstream(name.to_owned()))
}
