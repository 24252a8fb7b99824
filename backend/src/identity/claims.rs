//! The claims of an access token, and their checks.
//!
//! Phone, e-mail and metadata are not read, because people can set them for themselves. Signatures are checked by
//! [`VerifyingKey`](super::token::VerifyingKey).

use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::failure::InvalidToken;
use crate::clock::Timestamp;

/// The allowed difference between the issuer's clock and this machine's.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// Audience and role of a person's token. A Supabase project also signs API keys, which have another role.
pub(super) const AUTHENTICATED: &str = "authenticated";
/// The longest accepted session id of a provider.
const MAX_SESSION_CHARS: usize = 64;

/// The claims of an access token, after their checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The person's id at the issuer.
    pub subject: Uuid,
    pub session: SessionRef,
    /// The expiry in the token, without [`LEEWAY`].
    pub expires_at: Timestamp,
}

/// The session that a token names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SessionRef {
    /// The id of the backend's own session.
    Own(Uuid),
    /// The provider's id of its session.
    Upstream(String),
}

/// Claims, and whether a signature proves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// A public key of the issuer has verified the signature.
    Proven(Claims),
    /// The signature cannot be checked here, because its key is a secret of the provider (HS256). The caller compares
    /// the token with the last ones that were issued to its session, or asks the provider.
    Claimed(Claims),
}

/// The claims of a token as parsed. A repeated claim is refused.
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

    /// Checks that the token is for a person and from `issuer`. Does not check the expiry.
    pub(super) fn check(
        &self,
        issuer: &str,
        read_session: impl FnOnce(&str) -> Option<SessionRef>,
    ) -> Result<Claims, InvalidToken> {
        if self.iss.as_deref() != Some(issuer) {
            return Err(InvalidToken::Issuer);
        }
        // This backend and Supabase write a single audience. A list is refused, because it may also name other
        // services.
        if self.aud.as_ref().and_then(|aud| aud.as_str()) != Some(AUTHENTICATED) {
            return Err(InvalidToken::Audience);
        }
        if self.role.as_deref() != Some(AUTHENTICATED) {
            return Err(InvalidToken::Role);
        }
        if self.is_anonymous == Some(true) {
            return Err(InvalidToken::Anonymous);
        }
        let session = self.session_id.as_deref().and_then(read_session);
        match (self.sub, session, self.exp) {
            (Some(subject), Some(session), Some(exp)) if !subject.is_nil() => Ok(Claims {
                subject,
                session,
                expires_at: Timestamp::from_secs(exp),
            }),
            _ => Err(InvalidToken::Claims),
        }
    }

    /// Checks the claims as [`Self::check`] does, and that the token is valid at `now`.
    pub(super) fn check_at(
        &self,
        issuer: &str,
        read_session: impl FnOnce(&str) -> Option<SessionRef>,
        now: Timestamp,
    ) -> Result<Claims, InvalidToken> {
        let claims = self.check(issuer, read_session)?;
        if let Some(nbf) = self.nbf
            && Timestamp::from_secs(nbf) > now.plus(LEEWAY)
        {
            return Err(InvalidToken::NotYet);
        }
        claims.check_expiry(now)?;
        Ok(claims)
    }
}

impl Claims {
    pub(super) fn check_expiry(&self, now: Timestamp) -> Result<(), InvalidToken> {
        if now >= self.expires_at.plus(LEEWAY) {
            Err(InvalidToken::Expired)
        } else {
            Ok(())
        }
    }
}

/// The backend's own session with this id. `None` if the id is not a UUID.
pub(super) fn own_session(id: &str) -> Option<SessionRef> {
    id.parse().ok().map(SessionRef::Own)
}

/// The provider's session with this id. `None` if the id is empty or too long.
pub(super) fn upstream_session(id: &str) -> Option<SessionRef> {
    let is_valid = (1..=MAX_SESSION_CHARS).contains(&id.chars().count());
    is_valid.then(|| SessionRef::Upstream(id.to_owned()))
}
