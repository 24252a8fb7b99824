//! The identity provider's tokens: refreshed by one at a time, kept before they are used.
//!
//! The provider rotates its refresh tokens and takes a second use of one for theft. So of all requests
//! that find the access token about to expire, in this process and in others, one asks; the others wait
//! for what it writes down. One that asked and died leaves its lease to expire; whoever asks next does
//! so with the old token, which the provider allows for lost answers. A client that hangs up meanwhile
//! changes nothing: what was asked for is written down. When the provider does not answer, those who
//! waited don't ask again one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use tracing::Instrument;
use uuid::Uuid;

use super::live::LiveSessions;
use super::log_out::LogOut;
use super::reading::FRESH_FOR;
use super::single_flight::Flights;
use super::upstream_place;
use super::{AccessToken, Session, SessionError, retry_secs};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::identity::{Ended, Grant, Identity, RefreshError, Upstream, UpstreamTokens};
use crate::jobs::Job;
use crate::keyring::{CannotOpen, Keyring, digest};
use crate::store::Store;
use crate::store::sessions::NewUpstream;

/// How often a waiting request looks whether another replica is done.
const LOOK_EVERY: Duration = Duration::from_millis(40);
/// And how often it looks in all: as long as the provider may take.
const MAX_LOOKS: usize = 250;
/// Nobody's answer depends on the provider when a browser asks; so it waits less often.
const BROWSERS_PAUSE: Duration = Duration::from_secs(15);
/// Beyond it failures are forgotten.
const MAX_FAILURES: usize = 10_000;

/// How soon a replica that lacks a key may have been replaced by one that has it.
const KEY_RETRY_SECS: u32 = 30;

/// Keeps the provider's tokens of all sessions. Clones share what they know.
#[derive(Clone)]
pub(super) struct UpstreamSessions {
    store: Store,
    identity: Arc<Identity>,
    keyring: Arc<Keyring>,
    live: Arc<LiveSessions>,
    flights: Arc<Flights>,
    failures: Arc<Mutex<HashMap<Uuid, Failure>>>,
}

/// The provider did not answer.
#[derive(Clone, Copy)]
struct Failure {
    at: Timestamp,
    retry_at: Timestamp,
}

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

impl UpstreamSessions {
    pub(super) fn new(
        store: Store,
        identity: Arc<Identity>,
        keyring: Arc<Keyring>,
        live: Arc<LiveSessions>,
    ) -> Self {
        Self {
            store,
            identity,
            keyring,
            live,
            flights: Arc::default(),
            failures: Arc::default(),
        }
    }

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
                .refresh(session.id, session.subject, None, None, now)
                .await
                .map_err(trouble)?;
            return Ok(access_of(grant));
        }
        let wanted = Wanted { until, newer_than };
        let (this, session) = (self.clone(), session.clone());
        let work = async move { this.in_turn(&session, wanted, now).await };
        match tokio::spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_shutting_down) => Err(SessionError::Unavailable { retry_after: 1 }),
            },
        }
    }

    /// Whether the provider has not answered about this session a moment ago.
    pub(super) fn failed_just_now(&self, session_id: Uuid, now: Timestamp) -> bool {
        let failures = self.failures();
        let failure = failures.get(&session_id);
        failure.is_some_and(|failure| now < failure.at.plus(BROWSERS_PAUSE))
    }

    async fn in_turn(
        &self,
        session: &Session,
        wanted: Wanted,
        now: Timestamp,
    ) -> Result<AccessToken, SessionError> {
        let _turn = self.flights.turn(session.id).await;
        for _ in 0..MAX_LOOKS {
            let row = self.store.upstream(session.id).await?;
            let row = row.ok_or(SessionError::SignedOut)?;
            let (Some(sealed), Some(expires_at)) = (row.upstream_tokens, row.access_expires_at)
            else {
                return Err(SessionError::SignedOut);
            };
            let tokens = self.open(session.id, &sealed, now).await?;
            if wanted.is(expires_at, now) {
                return Ok(AccessToken {
                    token: tokens.access,
                    expires_at,
                });
            }
            self.may_ask(session.id, now)?;
            let version = row.upstream_version;
            if !self.store.lease_upstream(session.id, version, now).await? {
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            if let Some(access) = self.ask(session, version, &tokens, now).await? {
                return Ok(access);
            }
        }
        let retry_after = Duration::from_secs(2);
        self.note_failure(session.id, retry_after, now);
        let retry_after = retry_secs(retry_after);
        Err(SessionError::Unavailable { retry_after })
    }

    /// Asks the provider for the next tokens. None if another replica was faster after all.
    async fn ask(
        &self,
        session: &Session,
        version: i64,
        tokens: &UpstreamTokens,
        now: Timestamp,
    ) -> Result<Option<AccessToken>, SessionError> {
        let begun = Instant::now();
        let asked = self
            .identity
            .refresh(session.id, session.subject, Some(tokens), None, now)
            .await;
        match asked {
            Ok(grant) => self.keep(session, version, grant, now).await,
            Err(RefreshError::Ended(reason)) => self.end(session, version, reason, now).await,
            Err(error) => {
                if let RefreshError::Unavailable { retry_after } = error {
                    let now = now.plus(begun.elapsed());
                    self.note_failure(session.id, retry_after, now);
                }
                self.store.release_upstream(session.id, version).await?;
                Err(trouble(error))
            }
        }
    }

    /// Writes the next tokens down. None if others came in between.
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
        let next = self.seal(session.id, upstream, &grant);
        if self
            .store
            .replace_upstream(session.id, version, &next)
            .await?
        {
            return Ok(Some(access_of(grant)));
        }
        if self.store.upstream(session.id).await?.is_none() {
            // Its end was written down with the old tokens; these are newer.
            let issuer = self.identity.issuer();
            let job = LogOut::new(issuer, session.id, &next.sealed_tokens);
            let job = job.to_row(&self.keyring, now);
            self.store.enqueue(&job, now).await?;
            return Err(SessionError::SignedOut);
        }
        Ok(None)
    }

    /// The provider has ended the session. None if it was another replica's tokens that it meant, and
    /// these have changed meanwhile.
    async fn end(
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

    /// As they are kept.
    pub(super) fn seal(&self, session_id: Uuid, upstream: &Upstream, grant: &Grant) -> NewUpstream {
        let plain = upstream.tokens.to_sealed_json();
        NewUpstream {
            session_id: upstream.session_id.clone(),
            access_hash: digest(grant.access_token.expose_secret().as_bytes()),
            access_expires_at: grant.expires_at,
            sealed_tokens: self.keyring.seal(&upstream_place(session_id), &plain),
        }
    }

    async fn open(
        &self,
        session_id: Uuid,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<UpstreamTokens, SessionError> {
        let opened = match self.keyring.open(&upstream_place(session_id), sealed) {
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

    fn may_ask(&self, session_id: Uuid, now: Timestamp) -> Result<(), SessionError> {
        let failures = self.failures();
        let Some(failure) = failures.get(&session_id).filter(|one| now < one.retry_at) else {
            return Ok(());
        };
        let micros = failure.retry_at.as_micros() - now.as_micros();
        let left = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        Err(SessionError::Unavailable {
            retry_after: retry_secs(left),
        })
    }

    fn note_failure(&self, session_id: Uuid, retry_after: Duration, now: Timestamp) {
        let mut failures = self.failures();
        if failures.len() >= MAX_FAILURES {
            failures.retain(|_, failure| now < failure.at.plus(BROWSERS_PAUSE));
        }
        if failures.len() >= MAX_FAILURES {
            failures.clear();
        }
        let failure = Failure {
            at: now,
            retry_at: now.plus(retry_after),
        };
        failures.insert(session_id, failure);
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Failure>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
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
