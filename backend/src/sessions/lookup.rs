//! The session of a credential: an app's access token or a browser's cookie.

use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::token_state::TokenState;
use super::{RefreshToken, Session, SessionError, Sessions, Transport};
use crate::clock::Timestamp;
use crate::identity::{Claims, SessionRef, Verified};
use crate::keyring::digest;

/// How often the time of a session's last use is stored.
const TOUCH_EVERY: Duration = Duration::from_mins(5);
/// The provider's access token is refreshed when less time is left before its expiry.
pub(super) const MIN_TIME_LEFT: Duration = Duration::from_mins(1);

impl Sessions {
    /// The live session of an app's access token.
    pub async fn by_access_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        let token_digest = digest(token.as_bytes());
        if let Some(session) = self.cache.get(&token_digest, Transport::Bearer, now) {
            return Ok(session);
        }
        let epoch = self.cache.epoch();
        let verified = self.identity.verify(token, now).await?;
        let (Verified::Proven(claims) | Verified::Claimed(claims)) = &verified;
        let mut session = self
            .session_of_claims(claims, now)
            .await?
            .ok_or(SessionError::SignedOut)?;
        let is_for_session = session.subject == claims.subject
            && session.issuer == self.identity.issuer()
            && session.transport == Transport::Bearer.into_str();
        if !is_for_session {
            return Err(SessionError::SignedOut);
        }
        if matches!(verified, Verified::Claimed(_)) && !was_issued(&session, &token_digest) {
            self.token_checks
                .check(&self.identity, &session, token, now)
                .await?;
            session = self.reload(&session, now).await?;
        }
        let session = self.touch(session, now).await?;
        self.cache.put(token_digest, &session, epoch, now);
        Ok(session)
    }

    /// The live session of a browser's cookie. Also refreshes the provider's tokens if they are about to expire.
    pub async fn by_cookie(
        &self,
        value: &str,
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        let token = RefreshToken::parse(value).ok_or(SessionError::SignedOut)?;
        if let Some(session) = self.cache.get(&token.digest(), Transport::Cookie, now) {
            return Ok(session);
        }
        let epoch = self.cache.epoch();
        let mut session = self
            .session_of_token(&token, Transport::Cookie, now)
            .await?;
        let stored = self.store.tokens_of(session.id).await?;
        let state = self.check_token(&token, &stored, &session, now).await?;
        if let TokenState::Newest { counter } = state {
            let is_first_use = stored
                .first()
                .is_some_and(|row| row.first_used_at.is_none());
            // From the first use on, the token before this one is valid for a short time only.
            if is_first_use && counter > 1 {
                self.store.note_first_use(session.id, counter, now).await?;
            }
        }
        let access_expires_at = session.access_expires_at;
        let needs_refresh = access_expires_at.is_some_and(|at| at <= now.plus(MIN_TIME_LEFT));
        if needs_refresh && !self.upstream_failures.is_recent(session.id, now) {
            match self
                .fresh_access(&session, now.plus(MIN_TIME_LEFT), now)
                .await
            {
                // A request of a browser does not need the provider's tokens.
                Ok(_) | Err(SessionError::Unavailable { .. }) => {}
                Err(error) => return Err(error),
            }
            session = self.reload(&session, now).await?;
        }
        let session = self.touch(session, now).await?;
        self.cache.put(token.digest(), &session, epoch, now);
        Ok(session)
    }

    /// The live session that a refresh token names. The caller checks the token's state.
    pub(super) async fn session_of_token(
        &self,
        token: &RefreshToken,
        transport: Transport,
        now: Timestamp,
    ) -> Result<Session, SessionError> {
        // The MAC is checked first, so that a forged token causes no query.
        if !token.is_genuine(&self.keyring) {
            return Err(SessionError::SignedOut);
        }
        let session = self.store.session(token.session_id, now).await?;
        session
            .filter(|session| {
                session.transport == transport.into_str()
                    && session.issuer == self.identity.issuer()
            })
            .ok_or(SessionError::SignedOut)
    }

    /// The live session that an access token names.
    async fn session_of_claims(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Option<Session>, SessionError> {
        Ok(match &claims.session {
            SessionRef::Own(id) => self.store.session(*id, now).await?,
            SessionRef::Upstream(name) => self.store.session_by_upstream(name, now).await?,
        })
    }

    /// Stores that the session is used, if the last stored use is five minutes ago.
    async fn touch(
        &self,
        mut session: Session,
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        if session.last_seen_at.plus(TOUCH_EVERY) <= now {
            let idle_expires_at = Self::idle_expiry(&session, now);
            self.store
                .touch_session(session.id, idle_expires_at, now)
                .await?;
            session.idle_expires_at = idle_expires_at;
            session.last_seen_at = now;
        }
        Ok(Arc::new(session))
    }

    /// Reads the session again after a request to the provider. The request may have taken seconds, and the
    /// session may have ended meanwhile.
    async fn reload(&self, session: &Session, now: Timestamp) -> Result<Session, SessionError> {
        let session = self.store.session(session.id, now).await?;
        session.ok_or(SessionError::SignedOut)
    }
}

/// Whether this is one of the last two access tokens that the provider issued to the session.
fn was_issued(session: &Session, token_digest: &[u8; 32]) -> bool {
    [&session.access_hash, &session.previous_access_hash]
        .into_iter()
        .flatten()
        .any(|stored| bool::from(stored[..].ct_eq(&token_digest[..])))
}
