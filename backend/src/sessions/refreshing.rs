//! The rotation of the backend's refresh token. If the answer with a new token was lost, the client gets the same
//! new token again.
//!
//! An app also gets an access token, and its refresh token is rotated only after the backend has the access token. So
//! when the provider does not answer, the app can try again with the same refresh token.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::refresh_token::MintedToken;
use super::token_state::{TokenState, token_state};
use super::{AccessToken, RefreshToken, Session, SessionError, Sessions, Transport};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::sessions::{Ending, TokenRow};

/// A try fails if another request rotates the token at the same time.
const MAX_TRIES: usize = 4;
/// The shortest time for which an access token is valid when an app gets it.
const MIN_APP_TIME_LEFT: Duration = Duration::from_mins(30);

/// A session after its refresh, and its tokens.
pub struct RefreshedSession {
    pub session: Arc<Session>,
    /// The newest refresh token of the session.
    pub refresh_token: SecretString,
    /// `None` for a browser.
    pub access: Option<AccessToken>,
}

impl Sessions {
    /// Exchanges a refresh token, of a browser's cookie or of an app, for the next one.
    pub async fn refresh(
        &self,
        text: &str,
        transport: Transport,
        now: Timestamp,
    ) -> Result<RefreshedSession, SessionError> {
        let token = RefreshToken::parse(text).ok_or(SessionError::SignedOut)?;
        let session = self.session_of_token(&token, transport, now).await?;
        let mut stored = self.store.tokens_of(session.id).await?;
        // The provider is not asked for an invalid token.
        self.check_token(&token, &stored, &session, now).await?;
        let access = match transport {
            Transport::Bearer => Some(
                self.fresh_access(&session, now.plus(MIN_APP_TIME_LEFT), now)
                    .await?,
            ),
            Transport::Cookie => None,
        };
        for _ in 0..MAX_TRIES {
            let newest = match self.check_token(&token, &stored, &session, now).await? {
                TokenState::Newest { counter } => counter,
                TokenState::Superseded { newest } => {
                    // The client may not have received the newest token, so it gets that token again.
                    let key_id = stored.first().map_or("", |row| row.key_id.as_str());
                    match RefreshToken::mint_with(&self.keyring, key_id, session.id, newest) {
                        Some(same) => return self.answer(session, same, access, now).await,
                        // The key of the newest token was removed. That token cannot be made again, so a new one
                        // follows it.
                        None => newest,
                    }
                }
                TokenState::Reused | TokenState::Unknown => return Err(SessionError::SignedOut),
            };
            let next = RefreshToken::mint(&self.keyring, session.id, newest + 1);
            let idle_expires_at = Self::idle_expiry(&session, now);
            if self
                .store
                .rotate_token(session.id, &next.stored, idle_expires_at, now)
                .await?
            {
                // Not written to the audit log, because an app may refresh any number of times.
                audit::count_only(EventKind::Refresh, "rotated");
                return self.answer(session, next, access, now).await;
            }
            stored = self.store.tokens_of(session.id).await?;
        }
        Err(SessionError::Unavailable { retry_after: 1 })
    }

    /// The state of a valid token; an error for any other. A reused token ends the session.
    pub(super) async fn check_token(
        &self,
        token: &RefreshToken,
        stored: &[TokenRow],
        session: &Session,
        now: Timestamp,
    ) -> Result<TokenState, SessionError> {
        match token_state(token, stored, &self.keyring, now) {
            TokenState::Reused => {
                self.end_reused(session, now).await?;
                Err(SessionError::SignedOut)
            }
            TokenState::Unknown => Err(SessionError::SignedOut),
            valid => Ok(valid),
        }
    }

    /// The result of a refresh. An error if the session has ended meanwhile, so that the client gets no token.
    async fn answer(
        &self,
        session: Session,
        minted: MintedToken,
        access: Option<AccessToken>,
        now: Timestamp,
    ) -> Result<RefreshedSession, SessionError> {
        let session = self.store.session(session.id, now).await?;
        let session = Arc::new(session.ok_or(SessionError::SignedOut)?);
        Ok(RefreshedSession {
            session,
            refresh_token: minted.text,
            access,
        })
    }

    /// Ends the session of a reused token.
    async fn end_reused(&self, session: &Session, now: Timestamp) -> Result<(), StoreError> {
        self.end(session.user_id, session.id, Ending::This, now)
            .await?;
        tracing::warn!(
            session_id = %session.id,
            "a refresh token was used again after its successor; the session is ended"
        );
        let event = Event::new(EventKind::Refresh, "reused")
            .by_person(session.user_id)
            .in_session(session.id);
        audit::record(&self.store, event, now).await;
        Ok(())
    }
}
