//! The sign-in after a confirmed code: finds the person, signs them in at the identity provider, begins a session.
//!
//! The approval of the code is used up in the transaction that stores the session. So if the provider fails or the
//! process dies before that, the person can try again with the same approval. Of two simultaneous tries one opens a
//! session; a job ends the provider's session of the other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::{AccessToken, RefreshToken, Session, Sessions, Transport, retry_secs};
use crate::audit::{self, Event, EventKind};
use crate::clock::Timestamp;
use crate::identity::{self, Person};
use crate::ids::random_id;
use crate::otp::Device;
use crate::people::resolve_for_sign_in;
use crate::phone::Phone;
use crate::store::StoreError;
use crate::store::sessions::{ConfirmedCode, EndedSession, NewSession};

const DAY: Duration = Duration::from_hours(24);
const DELETION_RETRY_SECS: u32 = 5;
const MISCONFIGURED_RETRY_SECS: u32 = 60;

/// Whether the person asked for a session that lasts longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    No,
    Yes,
}

impl Remember {
    pub const fn of(asked: bool) -> Self {
        if asked { Self::Yes } else { Self::No }
    }

    /// How long a session lasts without being used, and how long it lasts at most.
    pub(super) fn lifetimes(self) -> (Duration, Duration) {
        match self {
            // Shorter than 180 days: after that time without a message or sign-in, the number counts as
            // assigned to another person.
            Self::Yes => (DAY * 30, DAY * 120),
            Self::No => (DAY, DAY * 7),
        }
    }
}

/// The sign-in of a person who has just proved a number.
pub struct SignIn {
    pub phone: Phone,
    /// The confirmed code. Its approval is good for one sign-in.
    pub code: ConfirmedCode,
    pub transport: Transport,
    pub remember: Remember,
    /// The person's name, if they gave one.
    pub name: Option<String>,
    /// Whether the number was confirmed on the person's device before.
    pub known_device: Device,
    /// A label of the person's device.
    pub device: Option<String>,
    /// The earlier session of the same browser, which ends.
    pub replaces: Option<Uuid>,
    /// The address of the person's device.
    pub client_ip: IpAddr,
}

/// A new session, and its first tokens.
pub struct OpenedSession {
    pub session: Arc<Session>,
    pub refresh_token: SecretString,
    pub access: AccessToken,
}

#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SignInError {
    /// The approval was used or has expired, or the person or the session that it was for is gone.
    #[error("the confirmed code cannot be used any more")]
    CodeUsed,
    #[error("the identity provider has banned the person, or the account may be another person's")]
    AccountRefused,
    /// The approval stays valid.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// Seconds.
        retry_after: u32,
    },
    /// The approval stays valid, unless the session was stored although the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignInError {
    /// The outcome in metrics and in the audit log.
    pub fn outcome(&self) -> &'static str {
        self.into()
    }
}

impl Sessions {
    /// Signs a person in and begins a session.
    pub async fn sign_in(
        &self,
        request: SignIn,
        now: Timestamp,
    ) -> Result<OpenedSession, SignInError> {
        let person =
            resolve_for_sign_in(&self.store, &request.phone, request.known_device, now).await?;
        self.delete_retired_accounts(&request.phone).await?;
        let session_id = random_id();
        let person = Person {
            user_id: person.user_id,
            phone: &request.phone,
        };
        let grant = self
            .identity
            .sign_in(&person, session_id, request.client_ip, now)
            .await?;
        let minted = RefreshToken::mint(&self.keyring, session_id, 1);
        let (idle_lifetime, lifetime) = request.remember.lifetimes();
        let sealed = grant
            .upstream
            .as_ref()
            .map(|upstream| self.seal_upstream(session_id, upstream, &grant));
        let new = NewSession {
            id: session_id,
            user_id: person.user_id,
            transport: request.transport.into_str(),
            issuer: self.identity.issuer().to_owned(),
            remember: request.remember == Remember::Yes,
            idle_expires_at: now.plus(idle_lifetime),
            expires_at: now.plus(lifetime),
            is_test: request.code.is_test,
            device: request.device,
            token: minted.stored,
            upstream: sealed,
            name: request.name,
            replaces: request.replaces,
        };
        let event = Event::new(EventKind::SignIn, "opened")
            .by_person(person.user_id)
            .in_session(session_id)
            .row(now);
        let log_out_job = |replaced: &EndedSession| self.log_out_job_of(replaced, now);
        let opened = self
            .store
            .open_session(&new, &request.code, &event, log_out_job, now)
            .await;
        match opened {
            Ok(true) => {}
            Ok(false) => {
                // No session was stored, so the new session at the provider is ended.
                if let Some(upstream) = &new.upstream {
                    let job = self.log_out_job(session_id, &upstream.sealed_tokens, now);
                    self.store.enqueue(&job, now).await?;
                }
                return Err(SignInError::CodeUsed);
            }
            Err(error) => {
                // The store cannot take a job now, so the session at the provider is ended at once.
                if let Some(upstream) = &grant.upstream
                    && self.identity.log_out(&upstream.tokens).await.is_err()
                {
                    tracing::warn!(
                        "a session at the identity provider cannot be ended, and stays there"
                    );
                }
                return Err(error.into());
            }
        }
        audit::count(&event);
        if let Some(replaced) = request.replaces {
            self.cache.evict_session(replaced);
        }
        // The person's other sessions are read again, because their `newer_sign_in_at` has changed.
        self.cache.evict_person(person.user_id);
        Ok(OpenedSession {
            session: Arc::new(new_session(&new, &request.phone, grant.subject, now)),
            refresh_token: minted.text,
            access: grant.into(),
        })
    }

    /// Steps up the session in which the code was confirmed, and uses up the code's approval.
    pub async fn step_up(
        &self,
        session: &Session,
        code: &ConfirmedCode,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        let is_stepped_up = self
            .store
            .step_up_session(session.user_id, session.id, code, now)
            .await?;
        self.cache.evict_session(session.id);
        if is_stepped_up {
            Ok(())
        } else {
            Err(SignInError::CodeUsed)
        }
    }

    /// The session that a browser's confirmation has just begun or stepped up, if the browser sends the confirmation
    /// again. With it comes the refresh token, if `token_counter` shows that the first one is still the newest.
    pub async fn just_confirmed_session(
        &self,
        session_id: Uuid,
        token_counter: i64,
        now: Timestamp,
    ) -> Result<Option<(Session, Option<SecretString>)>, StoreError> {
        let session = self.store.session(session_id, now).await?;
        let session = session.filter(|session| session.transport == Transport::Cookie.into_str());
        let Some(session) = session else {
            return Ok(None);
        };
        if token_counter != 1 {
            return Ok(Some((session, None)));
        }
        // Another replica may have made the token with a key that is not the newest here.
        let stored = self.store.tokens_of(session_id).await?;
        let first = stored.iter().find(|row| row.counter == 1).and_then(|row| {
            RefreshToken::mint_with(&self.keyring, &row.key_id, session_id, row.counter)
        });
        Ok(Some((session, first.map(|first| first.text))))
    }

    /// Deletes the provider's accounts of people who had this number before, so that the person who signs in now
    /// does not get the account of another.
    async fn delete_retired_accounts(&self, phone: &Phone) -> Result<(), SignInError> {
        let issuer = self.identity.issuer();
        for subject in self.store.retired_accounts(phone.as_str(), issuer).await? {
            self.identity
                .delete_account(subject)
                .await
                .map_err(|_unconfirmed| SignInError::Unavailable {
                    retry_after: DELETION_RETRY_SECS,
                })?;
            self.store.forget_account(issuer, subject).await?;
        }
        Ok(())
    }
}

/// The session that has just been stored. It is not read from the store, because after a failed read the person would
/// have no session and could not use the approval again.
fn new_session(new: &NewSession, phone: &Phone, subject: Uuid, now: Timestamp) -> Session {
    let upstream = new.upstream.as_ref();
    Session {
        id: new.id,
        user_id: new.user_id,
        issuer: new.issuer.clone(),
        subject,
        phone: phone.as_str().to_owned(),
        transport: new.transport.to_owned(),
        created_at: now,
        last_seen_at: now,
        idle_expires_at: new.idle_expires_at,
        expires_at: new.expires_at,
        remember: new.remember,
        step_up_at: Some(now),
        step_up_is_test: new.is_test,
        access_hash: upstream.map(|upstream| upstream.access_hash.to_vec()),
        previous_access_hash: None,
        access_expires_at: upstream.map(|upstream| upstream.access_expires_at),
        newer_sign_in_at: None,
    }
}

impl From<identity::SignInError> for SignInError {
    fn from(error: identity::SignInError) -> Self {
        match error {
            identity::SignInError::Unavailable { retry_after } => Self::Unavailable {
                retry_after: retry_secs(retry_after),
            },
            identity::SignInError::Misconfigured => Self::Unavailable {
                retry_after: MISCONFIGURED_RETRY_SECS,
            },
            identity::SignInError::Banned | identity::SignInError::ForeignAccount => {
                Self::AccountRefused
            }
            identity::SignInError::Store(error) => Self::Store(error),
        }
    }
}
