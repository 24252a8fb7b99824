//! A code was right: the person is found, the identity provider signs them in, a session begins.
//!
//! The approval is used up in the transaction that writes the session, so a provider that fails, or a
//! process that dies, leaves it good for another try; and two tries at once open one session. The
//! other's session at the provider is logged out again by a job.

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

/// Whether the person asked to stay signed in for longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remember {
    No,
    Yes,
}

impl Remember {
    pub const fn of(asked: bool) -> Self {
        if asked { Self::Yes } else { Self::No }
    }

    /// How long a session lives without being used, and at most.
    pub(super) fn lifetimes(self) -> (Duration, Duration) {
        match self {
            // The owner of a number that is silent for 180 days counts as a new person. A session ends well
            // before that.
            Self::Yes => (DAY * 30, DAY * 120),
            Self::No => (DAY, DAY * 7),
        }
    }
}

/// A person who has just proved a number.
pub struct SignIn {
    pub phone: Phone,
    pub code: ConfirmedCode,
    pub transport: Transport,
    pub remember: Remember,
    /// The name that they told.
    pub name: Option<String>,
    /// Whether the number was confirmed on their device before.
    pub known_device: Device,
    /// A label of their device.
    pub device: Option<String>,
    /// The session of the same browser that this one takes the place of.
    pub replaces: Option<Uuid>,
    pub client: IpAddr,
}

/// A session that has just begun, and its first tokens.
pub struct Opened {
    pub session: Arc<Session>,
    pub refresh_token: SecretString,
    pub access: AccessToken,
}

#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SignInError {
    /// The approval was used up by another request, or is too old.
    #[error("the code was used already")]
    CodeUsed,
    #[error("the account is refused")]
    AccountRefused,
    /// The approval stays good.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// Seconds.
        retry_after: u32,
    },
    /// The approval stays good, unless the session was written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignInError {
    /// Label of metrics and of the audit.
    pub fn outcome(&self) -> &'static str {
        self.into()
    }
}

impl Sessions {
    pub async fn sign_in(&self, ask: SignIn, now: Timestamp) -> Result<Opened, SignInError> {
        let person = resolve_for_sign_in(&self.store, &ask.phone, ask.known_device, now).await?;
        self.delete_retired_accounts(&ask.phone).await?;
        let session_id = random_id();
        let person = Person {
            user_id: person.user_id,
            phone: &ask.phone,
        };
        let grant = self
            .identity
            .sign_in(&person, session_id, ask.client, now)
            .await?;
        let minted = RefreshToken::mint(&self.keyring, session_id, 1);
        let remember = ask.remember == Remember::Yes;
        let (idle, absolute) = ask.remember.lifetimes();
        let sealed = grant
            .upstream
            .as_ref()
            .map(|upstream| self.seal_upstream(session_id, upstream, &grant));
        let new = NewSession {
            id: session_id,
            user_id: person.user_id,
            transport: ask.transport.into_str(),
            issuer: self.identity.issuer().to_owned(),
            remember,
            idle_expires_at: now.plus(idle),
            expires_at: now.plus(absolute),
            is_test: ask.code.is_test,
            device: ask.device,
            token: minted.kept,
            upstream: sealed,
            name: ask.name,
            replaces: ask.replaces,
        };
        let event = Event::new(EventKind::SignIn, "opened")
            .of(person.user_id)
            .in_session(session_id)
            .row(now);
        let log_out = |replaced: &EndedSession| self.log_out_ended(replaced, now);
        let opened = self
            .store
            .open_session(&new, &ask.code, &event, log_out, now)
            .await;
        match opened {
            Ok(true) => {}
            Ok(false) => {
                // Another request was faster: what the provider has begun for this one is ended again.
                if let Some(upstream) = &new.upstream {
                    let job = self.log_out_job(session_id, &upstream.sealed_tokens, now);
                    self.store.enqueue(&job, now).await?;
                }
                return Err(SignInError::CodeUsed);
            }
            Err(error) => {
                // Where nothing can be written down, this is all that can be done.
                if let Some(upstream) = &grant.upstream
                    && self.identity.log_out(&upstream.tokens).await.is_err()
                {
                    tracing::warn!("a session at the provider is left behind");
                }
                return Err(error.into());
            }
        }
        audit::count(&event);
        if let Some(replaced) = ask.replaces {
            self.live.forget(replaced);
        }
        // Others of this person learn of it with their next request.
        self.live.forget_person(person.user_id);
        Ok(Opened {
            session: Arc::new(begun(&new, &ask.phone, grant.subject, now)),
            refresh_token: minted.text,
            access: grant.into(),
        })
    }

    /// Uses up an approval to mark the session in which the code was confirmed.
    pub async fn step_up(
        &self,
        session: &Session,
        code: &ConfirmedCode,
        now: Timestamp,
    ) -> Result<(), SignInError> {
        let marked = self
            .store
            .step_up_session(session.user_id, session.id, code, now)
            .await?;
        self.live.forget(session.id);
        if marked {
            Ok(())
        } else {
            Err(SignInError::CodeUsed)
        }
    }

    /// A session that a confirmation has begun or stepped up a moment ago, for a browser that has sent it
    /// twice; with its refresh token, if that is still the first.
    pub async fn begun_just_now(
        &self,
        session_id: Uuid,
        token_counter: i64,
        now: Timestamp,
    ) -> Result<Option<(Session, Option<SecretString>)>, StoreError> {
        let session = self.store.session(session_id, now).await?;
        let session = session.filter(|session| session.transport == Transport::Cookie.into_str());
        let first =
            (token_counter == 1).then(|| RefreshToken::mint(&self.keyring, session_id, 1).text);
        Ok(session.map(|session| (session, first)))
    }

    /// The person who had the number before is gone from the provider before another one gets in by it.
    async fn delete_retired_accounts(&self, phone: &Phone) -> Result<(), SignInError> {
        let issuer = self.identity.issuer();
        for subject in self.store.retired_accounts(phone.as_str(), issuer).await? {
            self.identity
                .delete_account(subject)
                .await
                .map_err(|_| SignInError::Unavailable { retry_after: 5 })?;
            self.store.forget_account(issuer, subject).await?;
        }
        Ok(())
    }
}

/// A session as it has just been written. To read it again could fail, and the code would be used up.
fn begun(new: &NewSession, phone: &Phone, subject: Uuid, now: Timestamp) -> Session {
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
            identity::SignInError::Misconfigured => Self::Unavailable { retry_after: 60 },
            identity::SignInError::Refused | identity::SignInError::NotAdoptable => {
                Self::AccountRefused
            }
            identity::SignInError::Store(error) => Self::Store(error),
        }
    }
}
