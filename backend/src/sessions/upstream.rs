//! The refresh of the identity provider's tokens. New tokens are stored before they are used.
//!
//! The provider rotates its refresh tokens and ends the session if one is used twice. So of all requests of a session
//! that need new tokens, one asks the provider, under a lock in this process and a lease in the database; the other
//! requests wait and use the tokens that it stores. If a replica dies while it asks, its lease expires, and the next
//! replica asks with the old refresh token, which the provider accepts for a short time. If the client hangs up, the
//! refresh runs to its end and the new tokens are stored. If the provider does not answer, the waiting requests fail
//! without asking again.

use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::lookup::MIN_TIME_LEFT;
use super::{AccessToken, Session, SessionError, Sessions, upstream_aad};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::identity::{EndReason, Grant, RefreshError, Upstream, UpstreamTokens};
use crate::keyring::{UnsealError, digest};
use crate::lifecycle::run_to_end;
use crate::store::sessions::NewUpstream;

/// How often a waiting request checks whether another replica has stored new tokens.
const POLL_INTERVAL: Duration = Duration::from_millis(40);
/// The number of checks. Together they last ten seconds, which is as long as the provider may take.
const MAX_POLLS: usize = 250;
/// How long a browser's requests do not ask the provider after a failure, because they do not need its tokens.
const BROWSER_PAUSE: Duration = Duration::from_secs(15);
/// The number of remembered failures.
const MAX_FAILURES: usize = 10_000;

/// When a client may try again after it reached a replica that lacks a key. In this time a deployment may replace
/// the replica.
const KEY_RETRY_SECS: u32 = 30;

/// The access tokens that a request accepts.
#[derive(Clone, Copy)]
struct Requirement {
    /// A token that expires later is accepted.
    valid_until: Timestamp,
    /// The expiry of the token when the request began. A token that expires later is accepted, too, even if it is
    /// not valid for long enough: in a project with short-lived tokens, every waiting request would otherwise ask
    /// the provider again.
    newer_than: Option<Timestamp>,
}

impl Requirement {
    fn is_met(self, expires_at: Timestamp, now: Timestamp) -> bool {
        expires_at > self.valid_until
            || (Some(expires_at) > self.newer_than && expires_at > now.plus(MIN_TIME_LEFT))
    }
}

impl Sessions {
    /// An access token of this session that is valid until `valid_until`, or for as long as the provider's tokens
    /// last.
    pub(super) async fn fresh_access(
        &self,
        session: &Session,
        valid_until: Timestamp,
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
        let required = Requirement {
            valid_until,
            newer_than,
        };
        let (this, session) = (self.clone(), session.clone());
        let work = async move { this.refresh_locked(&session, required, now).await };
        // `None` means that the process shuts down. Another replica can answer the next try.
        let refreshed = run_to_end(work).await;
        refreshed.unwrap_or(Err(SessionError::Unavailable { retry_after: 1 }))
    }

    /// Refreshes the tokens under the session's lock, or waits for another replica to do so.
    async fn refresh_locked(
        &self,
        session: &Session,
        required: Requirement,
        began_at: Timestamp,
    ) -> Result<AccessToken, SessionError> {
        let began = Instant::now();
        let now = || began_at.plus(began.elapsed());
        let _guard = self.upstream_locks.lock(session.id).await;
        for _ in 0..MAX_POLLS {
            // A lease counts from the moment in which it is taken, however long the request has waited for it.
            let now = now();
            let row = self.store.upstream(session.id).await?;
            let row = row.ok_or(SessionError::SignedOut)?;
            let (Some(sealed), Some(expires_at)) = (row.upstream_tokens, row.access_expires_at)
            else {
                return Err(SessionError::SignedOut);
            };
            let tokens = self.open_upstream(session.id, &sealed, now).await?;
            if required.is_met(expires_at, now) {
                return Ok(AccessToken {
                    token: tokens.access,
                    expires_at,
                });
            }
            self.upstream_failures.check(session.id, now)?;
            let version = row.upstream_version;
            if !self.store.lease_upstream(session.id, version, now).await? {
                tokio::time::sleep(POLL_INTERVAL).await;
                continue;
            }
            if let Some(access) = self.request_refresh(session, version, &tokens, now).await? {
                return Ok(access);
            }
        }
        let retry_after = Duration::from_secs(2);
        self.upstream_failures
            .record(session.id, retry_after, now());
        Err(SessionError::unavailable(retry_after))
    }

    /// Asks the provider for the next tokens. `None` if another replica has stored newer ones meanwhile.
    async fn request_refresh(
        &self,
        session: &Session,
        version: i64,
        tokens: &UpstreamTokens,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, SessionError> {
        let begun = Instant::now();
        let refreshed = self
            .identity
            .refresh(session.id, session.subject, Some(tokens), now)
            .await;
        match refreshed {
            Ok(grant) => self.store_grant(session, version, grant, now).await,
            Err(RefreshError::Ended(reason)) => {
                self.end_upstream(session, version, reason, now).await
            }
            Err(error) => {
                if let RefreshError::Unavailable { retry_after } = error {
                    let now = now.plus(begun.elapsed());
                    self.upstream_failures.record(session.id, retry_after, now);
                }
                self.store.release_upstream(session.id, version).await?;
                Err(error.into())
            }
        }
    }

    /// Stores the next tokens. `None` if another replica has stored newer ones meanwhile.
    async fn store_grant(
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
            // The session ended during the refresh. The job that logs it out has the old tokens, so another job
            // gets the new ones.
            let job = self.log_out_job(session.id, &next.sealed_tokens, now);
            self.store.enqueue(&job, now).await?;
            return Err(SessionError::SignedOut);
        }
        Ok(None)
    }

    /// Ends the session, because the provider has ended its own. `None` if another replica has stored newer tokens
    /// meanwhile, so that the provider's answer is not about the current ones.
    async fn end_upstream(
        &self,
        session: &Session,
        version: i64,
        reason: EndReason,
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
        self.cache.evict_session(session.id);
        let event = Event::new(EventKind::Refresh, reason)
            .by_person(session.user_id)
            .in_session(session.id);
        audit::record(&self.store, event, now).await;
        Err(SessionError::SignedOut)
    }

    /// Seals the provider's tokens for the store.
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
            // Another replica has sealed the tokens with a newer key, so the session must not end.
            Err(UnsealError::UnknownKey) => {
                return Err(SessionError::Unavailable {
                    retry_after: KEY_RETRY_SECS,
                });
            }
            Err(UnsealError::Damaged) => None,
        };
        if let Some(tokens) = opened {
            return Ok(tokens);
        }
        tracing::error!(%session_id, "the session's tokens are damaged; it is ended");
        self.store.end_session(session_id, "damaged", now).await?;
        self.cache.evict_session(session_id);
        let event = Event::new(EventKind::Refresh, "damaged").in_session(session_id);
        audit::record(&self.store, event, now).await;
        Err(SessionError::SignedOut)
    }
}

/// The last failure of the provider, by session.
pub(super) struct UpstreamFailures(Cache<Uuid, UpstreamFailure>);

#[derive(Clone, Copy)]
struct UpstreamFailure {
    at: Timestamp,
    retry_at: Timestamp,
}

impl Default for UpstreamFailures {
    fn default() -> Self {
        Self(Cache::new(MAX_FAILURES))
    }
}

impl UpstreamFailures {
    /// Whether the provider failed for this session within the last [`BROWSER_PAUSE`].
    pub(super) fn is_recent(&self, session_id: Uuid, now: Timestamp) -> bool {
        let failure = self.0.get(&session_id);
        failure.is_some_and(|failure| now < failure.at.plus(BROWSER_PAUSE))
    }

    /// An error until the retry time of the last failure.
    fn check(&self, session_id: Uuid, now: Timestamp) -> Result<(), SessionError> {
        let failure = self.0.get(&session_id);
        let Some(failure) = failure.filter(|failure| now < failure.retry_at) else {
            return Ok(());
        };
        let micros = failure.retry_at.as_micros() - now.as_micros();
        let left = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        Err(SessionError::unavailable(left))
    }

    fn record(&self, session_id: Uuid, retry_after: Duration, now: Timestamp) {
        let failure = UpstreamFailure {
            at: now,
            retry_at: now.plus(retry_after),
        };
        self.0.insert(session_id, failure);
    }
}
