//! The session behind a credential.

use std::sync::Arc;
use std::time::Duration;

use subtle::ConstantTimeEq;

use super::family::TokenState;
use super::{RefreshToken, Session, SessionError, Sessions, Transport};
use crate::clock::Timestamp;
use crate::identity::{Claims, SessionRef, Verified};
use crate::keyring::digest;

/// How often the last use of a session is written down.
const TOUCH_EVERY: Duration = Duration::from_mins(5);
/// The provider's access token is replaced this long before it expires.
pub(super) const FRESH_FOR: Duration = Duration::from_mins(1);

impl Sessions {
    pub async fn by_access_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        let shown = digest(token.as_bytes());
        if let Some(session) = self.live.get(&shown, Transport::Bearer, now) {
            return Ok(session);
        }
        let began = self.live.epoch();
        let verified = self.identity.verify(token, now).await?;
        let (Verified::Proven(claims) | Verified::Claimed(claims)) = &verified;
        let mut session = self
            .session_of(claims, now)
            .await?
            .ok_or(SessionError::SignedOut)?;
        let belongs = session.subject == claims.subject
            && session.issuer == self.identity.issuer()
            && session.transport == Transport::Bearer.into_str();
        if !belongs {
            return Err(SessionError::SignedOut);
        }
        if matches!(verified, Verified::Claimed(_)) && !was_issued(&session, &shown) {
            self.user_checks
                .check(&self.identity, &session, token, now)
                .await?;
            session = self.alive_still(&session, now).await?;
        }
        let session = self.touched(session, now).await?;
        self.live.put(shown, &session, began, now);
        Ok(session)
    }

    pub async fn by_cookie(
        &self,
        value: &str,
        now: Timestamp,
    ) -> Result<Arc<Session>, SessionError> {
        let token = RefreshToken::parse(value).ok_or(SessionError::SignedOut)?;
        if let Some(session) = self.live.get(&token.digest(), Transport::Cookie, now) {
            return Ok(session);
        }
        let began = self.live.epoch();
        let mut session = self
            .of_refresh_token(&token, Transport::Cookie, now)
            .await?;
        let kept = self.store.tokens_of(session.id).await?;
        let state = self.token_state(&token, &kept, &session, now).await?;
        if let TokenState::Newest(counter) = state {
            let is_first_use = kept.first().is_some_and(|row| row.first_used_at.is_none());
            if is_first_use && counter > 1 {
                self.store.note_first_use(session.id, counter, now).await?;
            }
        }
        let expires = session.access_expires_at;
        let is_due = expires.is_some_and(|at| at <= now.plus(FRESH_FOR));
        if is_due && !self.upstream_failures.is_recent(session.id, now) {
            match self.fresh_access(&session, now.plus(FRESH_FOR), now).await {
                // The session stays what it was, whether or not the provider answers.
                Ok(_) | Err(SessionError::Unavailable { .. }) => {}
                Err(error) => return Err(error),
            }
            session = self.alive_still(&session, now).await?;
        }
        let session = self.touched(session, now).await?;
        self.live.put(token.digest(), &session, began, now);
        Ok(session)
    }

    /// The live session that a refresh token names, not yet judged.
    pub(super) async fn of_refresh_token(
        &self,
        token: &RefreshToken,
        transport: Transport,
        now: Timestamp,
    ) -> Result<Session, SessionError> {
        // A made-up token costs us a MAC, not a query.
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

    async fn session_of(
        &self,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Option<Session>, SessionError> {
        Ok(match &claims.session {
            SessionRef::Own(id) => self.store.session(*id, now).await?,
            SessionRef::Upstream(name) => self.store.session_by_upstream(name, now).await?,
        })
    }

    async fn touched(
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

    /// The provider may have taken seconds, in which the session may have ended elsewhere.
    async fn alive_still(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Session, SessionError> {
        let session = self.store.session(session.id, now).await?;
        session.ok_or(SessionError::SignedOut)
    }
}

/// Whether this is one of the last two access tokens that the provider issued to the session.
fn was_issued(session: &Session, shown: &[u8; 32]) -> bool {
    [&session.access_hash, &session.previous_access_hash]
        .into_iter()
        .flatten()
        .any(|kept| bool::from(kept[..].ct_eq(&shown[..])))
}
