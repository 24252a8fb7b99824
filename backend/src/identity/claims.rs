//! What an access token claims, and which claims count.
//!
//! Who, in which session, until when: nothing else is looked at. Phone, e-mail and metadata are claims
//! of people about themselves. Signatures are checked elsewhere.

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
const MAX_SESSION_CHARS: usize = 64;

/// What counts of an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The person's id at the issuer.
    pub subject: Uuid,
    pub session: SessionRef,
    /// Without leeway.
    pub expires_at: Timestamp,
}

/// A session, by its issuer's name for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionRef {
    Own(Uuid),
    Upstream(String),
}

/// Claims, and whether they are proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// By a public key of the issuer.
    Proven(Claims),
    /// Not by anything that can be checked here (HS256). The token is to be compared with what was issued,
    /// or the provider asked.
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

    /// Whether `issuer` means a person by it, at whatever time.
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

    /// The same, for a token that has to hold at `now`.
    pub(super) fn check_at(
        &self,
        issuer: &str,
        session: impl FnOnce(&str) -> Option<SessionRef>,
        now: Timestamp,
    ) -> Result<Claims, InvalidToken> {
        let claims = self.check(issuer, session)?;
        if let Some(nbf) = self.nbf
            && Timestamp::from_secs(nbf) > now.plus(LEEWAY)
        {
            return Err(InvalidToken::NotYet);
        }
        claims.check_time(now)?;
        Ok(claims)
    }
}

impl Claims {
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), InvalidToken> {
        if now >= self.expires_at.plus(LEEWAY) {
            Err(InvalidToken::Expired)
        } else {
            Ok(())
        }
    }
}

pub(super) fn own_session(name: &str) -> Option<SessionRef> {
    name.parse().ok().map(SessionRef::Own)
}

pub(super) fn upstream_session(name: &str) -> Option<SessionRef> {
    let fits = (1..=MAX_SESSION_CHARS).contains(&name.chars().count());
    fits.then(|| SessionRef::Upstream(name.to_owned()))
}
