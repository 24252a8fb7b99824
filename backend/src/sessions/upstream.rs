//! The identity provider's tokens: refreshed by one at a time, kept before they are used.
//!
//! The provider rotates its refresh tokens and takes a second use of one for theft. So of all requests
//! that find the access token about to expire, in this process and in others, one asks; the others wait
//! for what it writes down. One that asked and died leaves its lease to expire; whoever asks next does
//! so with the old token, which the provider allows for lost answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{AccessToken, Session, SessionError, Sessions, retry_secs};
use crate::clock::Timestamp;
use crate::identity::{Grant, RefreshError, Upstream, UpstreamTokens};
use crate::jobs;
use crate::keyring::digest;
use crate::store::sessions::NewUpstream;

/// How often a waiting request looks whether another replica is done.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// And how often it looks in all: as long as the provider may take.
const MAX_LOOKS: usize = 250;

/// Where sealed tokens of a session belong.
pub(crate) fn place(session_id: Uuid) -> String {
    format!("upstream-tokens:{session_id}")
}

/// One request of this process at a time asks for a session's tokens.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Uuid, Weak<tokio::sync::Mutex<()>>>>);

impl Flights {
    fn of(&self, session_id: Uuid) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&session_id).and_then(Weak::upgrade) {
            return flight;
        }
        flights.retain(|_, flight| flight.strong_count() > 0);
        let flight = Arc::default();
        flights.insert(session_id, Arc::downgrade(&flight));
        flight
    }
}

impl Sessions {
    /// An access token of this session that is good beyond `until`.
    pub(super) async fn fresh_access(
        &self,
        session: &Session,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<AccessToken, SessionError> {
        if session.access_expires_at.is_none() {
            let grant = self
                .identity
                .refresh(session.id, session.subject, None, None, now)
                .await
                .map_err(trouble)?;
            return Ok(access_of(grant));
        }
        let flight = self.flights.of(session.id);
        let _turn = flight.lock().await;
        for _ in 0..MAX_LOOKS {
            let row = self.store.upstream(session.id).await?;
            let row = row.ok_or(SessionError::SignedOut)?;
            let (Some(sealed), Some(expires_at)) = (row.upstream_tokens, row.access_expires_at)
            else {
                return Err(SessionError::SignedOut);
            };
            let tokens = self.open_upstream(session.id, &sealed, now).await?;
            if expires_at > until {
                return Ok(AccessToken {
                    token: tokens.access,
                    expires_at,
                });
            }
            let version = row.upstream_version;
            if !self.store.lease_upstream(session.id, version, now).await? {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            let asked = self
                .identity
                .refresh(session.id, session.subject, Some(&tokens), None, now)
                .await;
            match asked {
                Ok(grant) => {
                    if let Some(access) = self.keep(session, version, grant, now).await? {
                        return Ok(access);
                    }
                }
                Err(RefreshError::Ended(reason)) => {
                    let reason = reason.as_str();
                    let ended = self
                        .store
                        .end_if_unchanged(session.id, version, reason, now)
                        .await?;
                    if ended {
                        metrics::counter!("sessions_ended_upstream_total", "reason" => reason)
                            .increment(1);
                        self.live.forget(session.id);
                        return Err(SessionError::SignedOut);
                    }
                }
                Err(error) => {
                    self.store.release_upstream(session.id, version).await?;
                    return Err(trouble(error));
                }
            }
        }
        Err(SessionError::Unavailable { retry_after: 2 })
    }

    /// Writes the next tokens down. None if the session has ended, or others came in between.
    async fn keep(
        &self,
        session: &Session,
        version: i64,
        grant: Grant,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, SessionError> {
        let Some(upstream) = &grant.upstream else {
            return Ok(Some(access_of(grant)));
        };
        let next = self.seal_upstream(session.id, upstream, &grant);
        if self
            .store
            .replace_upstream(session.id, version, &next)
            .await?
        {
            return Ok(Some(access_of(grant)));
        }
        if self.store.upstream(session.id).await?.is_none() {
            // Its end was written down with the old tokens; these are newer.
            let job = jobs::log_out(&self.keyring, session.id, &next.sealed_tokens, now);
            self.store.insert_job(&job, now).await?;
            return Err(SessionError::SignedOut);
        }
        Ok(None)
    }

    /// As they are kept.
    pub(super) fn seal_upstream(
        &self,
        session_id: Uuid,
        upstream: &Upstream,
        grant: &Grant,
    ) -> NewUpstream {
        let plain = upstream.tokens.to_sealed_json();
        NewUpstream {
            session_id: upstream.session_id.clone(),
            access_hash: digest(grant.access_token.expose_secret().as_bytes()),
            access_expires_at: grant.expires_at,
            sealed_tokens: self.keyring.seal(&place(session_id), &plain),
        }
    }

    async fn open_upstream(
        &self,
        session_id: Uuid,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<UpstreamTokens, SessionError> {
        let opened = self.keyring.open(&place(session_id), sealed).ok();
        if let Some(tokens) = opened.and_then(|plain| UpstreamTokens::from_json(&plain).ok()) {
            return Ok(tokens);
        }
        // Its key was taken out of the keyring before the session was over.
        tracing::warn!(%session_id, "the session's tokens cannot be opened; it is ended");
        self.store.end_session(session_id, "key_gone", now).await?;
        self.live.forget(session_id);
        Err(SessionError::SignedOut)
    }
}

fn trouble(error: RefreshError) -> SessionError {
    match error {
        RefreshError::Ended(_) => SessionError::SignedOut,
        RefreshError::Unavailable { retry_after } => SessionError::Unavailable {
            retry_after: retry_secs(retry_after),
        },
        RefreshError::Store(error) => SessionError::Store(error),
    }
}

fn access_of(grant: Grant) -> AccessToken {
    AccessToken {
        token: grant.access_token,
        expires_at: grant.expires_at,
    }
}
