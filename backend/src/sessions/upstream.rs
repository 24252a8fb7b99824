//! The identity provider's tokens: refreshed by one at a time, kept before they are used.
//!
//! The provider rotates its refresh tokens and takes a second use of one for theft. So of all requests
//! that find the access token about to expire, in this process and in others, one asks; the others wait
//! for what it writes down. A replica that asked and died leaves its lease to expire; the next one asks
//! with the old token, which the provider allows for lost answers. A client that hangs up meanwhile
//! changes nothing: what was asked for is written down. When the provider does not answer, the requests
//! that waited don't ask again one after the other.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::reading::FRESH_FOR;
use super::{AccessToken, Session, SessionError, Sessions, upstream_aad};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::identity::{Ended, Grant, RefreshError, Upstream, UpstreamTokens};
use crate::keyring::{CannotOpen, digest};
use crate::lifecycle::run_to_end;
use crate::store::sessions::NewUpstream;

/// How often a waiting request looks whether another replica is done.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// And how often it looks in all: as long as the provider may take.
const MAX_LOOKS: usize = 250;
/// How long a browser's requests do without the provider after a failure: their answers do not depend on it.
const BROWSERS_PAUSE: Duration = Duration::from_secs(15);
/// Beyond this number, failures are forgotten.
const MAX_FAILURES: usize = 10_000;

/// When to come back to a replica that lacks a key: it may have been replaced by then.
const KEY_RETRY_SECS: u32 = 30;

/// What a request asks for.
#[derive(Clone, Copy)]
struct Wanted {
    /// An access token that is good beyond this,
    until: Timestamp,
    /// or at least one that was issued after the request began. A project whose tokens never last that
    /// long would be asked once by each of those who wait.
    newer_than: Option<Timestamp>,
}

impl Wanted {
    fn is(self, expires_at: Timestamp, now: Timestamp) -> bool {
        expires_at > self.until
            || (Some(expires_at) > self.newer_than && expires_at > now.plus(FRESH_FOR))
    }
}

impl Sessions {
    /// An access token of this session that is good beyond `until`, or as long as the provider makes
    /// them.
    pub(super) async fn fresh_access(
        &self,
        session: &Session,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<AccessToken, SessionError> {
        let newer_than = session.access_expires_at;
        if newer_than.is_none() {
            let grant = self
                .identity
                .refresh(session.id, session.subject, None, now)
                .await?;
            return Ok(grant.into());
        }
        let wanted = Wanted { until, newer_than };
        let (this, session) = (self.clone(), session.clone());
        let work = async move { this.refresh_in_turn(&session, wanted, now).await };
        let done = run_to_end(work).await;
        done.unwrap_or(Err(SessionError::Unavailable { retry_after: 1 }))
    }

    async fn refresh_in_turn(
        &self,
        session: &Session,
        wanted: Wanted,
        now: Timestamp,
    ) -> Result<AccessToken, SessionError> {
        let _turn = self.upstream_refreshes.turn(session.id).await;
        for _ in 0..MAX_LOOKS {
            let row = self.store.upstream(session.id).await?;
            let row = row.ok_or(SessionError::SignedOut)?;
            let (Some(sealed), Some(expires_at)) = (row.upstream_tokens, row.access_expires_at)
            else {
                return Err(SessionError::SignedOut);
            };
            let tokens = self.open_upstream(session.id, &sealed, now).await?;
            if wanted.is(expires_at, now) {
                return Ok(AccessToken {
                    token: tokens.access,
                    expires_at,
                });
            }
            self.upstream_failures.check(session.id, now)?;
            let version = row.upstream_version;
            if !self.store.lease_upstream(session.id, version, now).await? {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            if let Some(access) = self.ask_upstream(session, version, &tokens, now).await? {
                return Ok(access);
            }
        }
        let retry_after = Duration::from_secs(2);
        self.upstream_failures.note(session.id, retry_after, now);
        Err(SessionError::unavailable(retry_after))
    }

    /// Asks the provider for the next tokens. `None` if another replica was faster after all.
    async fn ask_upstream(
        &self,
        session: &Session,
        version: i64,
        tokens: &UpstreamTokens,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, SessionError> {
        let begun = Instant::now();
        let asked = self
            .identity
            .refresh(session.id, session.subject, Some(tokens), now)
            .await;
        match asked {
            Ok(grant) => self.keep_upstream(session, version, grant, now).await,
            Err(RefreshError::Ended(reason)) => {
                self.ended_upstream(session, version, reason, now).await
            }
            Err(error) => {
                if let RefreshError::Unavailable { retry_after } = error {
                    let now = now.plus(begun.elapsed());
                    self.upstream_failures.note(session.id, retry_after, now);
                }
                self.store.release_upstream(session.id, version).await?;
                Err(error.into())
            }
        }
    }

    /// Writes the next tokens down. `None` if others came in between.
    async fn keep_upstream(
        &self,
        session: &Session,
        version: i64,
        grant: Grant,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, SessionError> {
        let Some(upstream) = &grant.upstream else {
            return Ok(Some(grant.into()));
        };
        let next = self.seal_upstream(session.id, upstream, &grant);
        if self
            .store
            .replace_upstream(session.id, version, &next)
            .await?
        {
            return Ok(Some(grant.into()));
        }
        if self.store.upstream(session.id).await?.is_none() {
            // Its end was written down with the old tokens; these are newer.
            let job = self.log_out_job(session.id, &next.sealed_tokens, now);
            self.store.enqueue(&job, now).await?;
            return Err(SessionError::SignedOut);
        }
        Ok(None)
    }

    /// The provider has ended the session. `None` if that is about tokens that another replica has replaced
    /// meanwhile.
    async fn ended_upstream(
        &self,
        session: &Session,
        version: i64,
        reason: Ended,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, SessionError> {
        let reason: &'static str = reason.into();
        let ended = self
            .store
            .end_if_unchanged(session.id, version, reason, now)
            .await?;
        if !ended {
            return Ok(None);
        }
        metrics::counter!("sessions_ended_upstream_total", "reason" => reason).increment(1);
        self.live.forget(session.id);
        let event = Event::new(EventKind::Refresh, reason)
            .of(session.user_id)
            .in_session(session.id);
        audit::record(&self.store, event, now).await;
        Err(SessionError::SignedOut)
    }

    /// The provider's tokens as they are kept.
    pub(super) fn seal_upstream(
        &self,
        session_id: Uuid,
        upstream: &Upstream,
        grant: &Grant,
    ) -> NewUpstream {
        let plain = upstream.tokens.to_json();
        NewUpstream {
            session_id: upstream.session_id.clone(),
            access_hash: digest(grant.access_token.expose_secret().as_bytes()),
            access_expires_at: grant.expires_at,
            sealed_tokens: self.keyring.seal(&upstream_aad(session_id), &plain),
        }
    }

    async fn open_upstream(
        &self,
        session_id: Uuid,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<UpstreamTokens, SessionError> {
        let opened = match self.keyring.open(&upstream_aad(session_id), sealed) {
            Ok(plain) => UpstreamTokens::from_json(&plain).ok(),
            // A replica that does not know a new key yet must not end what another one has sealed.
            Err(CannotOpen::UnknownKey) => {
                return Err(SessionError::Unavailable {
                    retry_after: KEY_RETRY_SECS,
                });
            }
            Err(CannotOpen::Damaged) => None,
        };
        if let Some(tokens) = opened {
            return Ok(tokens);
        }
        tracing::error!(%session_id, "the session's tokens are damaged; it is ended");
        self.store.end_session(session_id, "damaged", now).await?;
        self.live.forget(session_id);
        let event = Event::new(EventKind::Refresh, "damaged").in_session(session_id);
        audit::record(&self.store, event, now).await;
        Err(SessionError::SignedOut)
    }
}

/// When the provider did not answer lately, by session.
pub(super) struct UpstreamFailures(Cache<Uuid, Failure>);

#[derive(Clone, Copy)]
struct Failure {
    at: Timestamp,
    retry_at: Timestamp,
}

impl Default for UpstreamFailures {
    fn default() -> Self {
        Self(Cache::new(MAX_FAILURES))
    }
}

impl UpstreamFailures {
    /// Whether the provider has not answered about this session a moment ago.
    pub(super) fn is_recent(&self, session_id: Uuid, now: Timestamp) -> bool {
        let failure = self.0.get(&session_id);
        failure.is_some_and(|failure| now < failure.at.plus(BROWSERS_PAUSE))
    }

    /// Refuses until the time that the provider has told.
    fn check(&self, session_id: Uuid, now: Timestamp) -> Result<(), SessionError> {
        let Some(failure) = self.0.get(&session_id).filter(|one| now < one.retry_at) else {
            return Ok(());
        };
        let micros = failure.retry_at.as_micros() - now.as_micros();
        let left = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        Err(SessionError::unavailable(left))
    }

    fn note(&self, session_id: Uuid, retry_after: Duration, now: Timestamp) {
        let failure = Failure {
            at: now,
            retry_at: now.plus(retry_after),
        };
        self.0.insert(session_id, failure);
    }
}
