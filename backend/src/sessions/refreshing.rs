//! Our refresh token goes on: the next one, or the same next one again if its answer was lost.
//!
//! Nothing is rotated before the access token that goes with it is at hand. A provider that is away
//! therefore costs an app a retry, not its session.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::family::{TokenState, judge};
use super::refresh_token::Minted;
use super::{AccessToken, RefreshToken, Session, SessionError, Sessions, Transport};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::sessions::{Ending, TokenRow};

/// Each further try means that another request has won the same race.
const MAX_TRIES: usize = 4;
/// An access token that an app gets lasts at least this long.
const HANDED_OUT_FOR: Duration = Duration::from_mins(30);

pub struct Refreshed {
    pub session: Arc<Session>,
    /// The newest.
    pub refresh_token: SecretString,
    /// For an app.
    pub access: Option<AccessToken>,
}

impl Sessions {
    /// Takes a refresh token, from a cookie or from an app, and gives the next.
    pub async fn refresh(
        &self,
        text: &str,
        transport: Transport,
        now: Timestamp,
    ) -> Result<Refreshed, SessionError> {
        let shown = RefreshToken::parse(text).ok_or(SessionError::SignedOut)?;
        let session = self.of_refresh_token(&shown, transport, now).await?;
        let mut kept = self.store.tokens_of(session.id).await?;
        self.token_state(&shown, &kept, &session, now).await?;
        let access = match transport {
            Transport::Bearer => Some(
                self.fresh_access(&session, now.plus(HANDED_OUT_FOR), now)
                    .await?,
            ),
            Transport::Cookie => None,
        };
        for _ in 0..MAX_TRIES {
            let newest = match self.token_state(&shown, &kept, &session, now).await? {
                TokenState::Newest(newest) => newest,
                TokenState::Superseded { newest } => {
                    let key_id = kept.first().map_or("", |row| row.key_id.as_str());
                    match RefreshToken::mint_under(&self.keyring, key_id, session.id, newest) {
                        Some(again) => return self.refreshed(session, again, access, now).await,
                        // Its key is gone, so it cannot be made again. The next one is made.
                        None => newest,
                    }
                }
                TokenState::Reused | TokenState::Unknown => return Err(SessionError::SignedOut),
            };
            let next = RefreshToken::mint(&self.keyring, session.id, newest + 1);
            let idle_expires_at = Self::idle_expiry(&session, now);
            if self
                .store
                .rotate_token(session.id, &next.kept, idle_expires_at, now)
                .await?
            {
                // Counted alone: an app may do this as often as it likes.
                audit::count_only(EventKind::Refresh, "rotated");
                return self.refreshed(session, next, access, now).await;
            }
            kept = self.store.tokens_of(session.id).await?;
        }
        Err(SessionError::Unavailable { retry_after: 1 })
    }

    /// What a token is worth that is still good for its session. One that was gone on from is a copy: it ends
    /// the session.
    pub(super) async fn token_state(
        &self,
        shown: &RefreshToken,
        kept: &[TokenRow],
        session: &Session,
        now: Timestamp,
    ) -> Result<TokenState, SessionError> {
        match judge(shown, kept, &self.keyring, now) {
            TokenState::Reused => {
                self.end_reused(session, now).await?;
                Err(SessionError::SignedOut)
            }
            TokenState::Unknown => Err(SessionError::SignedOut),
            good => Ok(good),
        }
    }

    async fn refreshed(
        &self,
        session: Session,
        minted: Minted,
        access: Option<AccessToken>,
        now: Timestamp,
    ) -> Result<Refreshed, SessionError> {
        // It may have ended since; then nothing is handed out.
        let session = self.store.session(session.id, now).await?;
        let session = Arc::new(session.ok_or(SessionError::SignedOut)?);
        Ok(Refreshed {
            session,
            refresh_token: minted.text,
            access,
        })
    }

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
