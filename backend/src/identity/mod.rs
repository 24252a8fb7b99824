//! The issuer of access tokens: this backend, or a Supabase project.
//!
//! [`Identity`] is the interface to both. It signs a person in, refreshes tokens, ends sessions and verifies
//! tokens. The caller proves the number, checks whether the backend's own session has ended, prevents two
//! refreshes of a session at once, retries, and stores sessions. A database is bound to one issuer: a backend that is
//! configured for another does not start on it.

mod claims;
mod delete_account;
mod failure;
mod grant;
mod local;
mod supabase;
mod token;
mod verified;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

pub use claims::{Claims, LEEWAY, SessionRef, Verified};
pub(crate) use delete_account::DeleteAccount;
pub use failure::{
    EndReason, InvalidToken, OpenIdentityError, RefreshError, SignInError, TokenError,
    UpstreamError,
};
pub use grant::{Grant, InvalidTokens, Person, Upstream, UpstreamTokens};
pub use local::{ACCESS_TOKEN_TTL, JwksDocument, LocalIdentity, rotate as rotate_signing_key};
pub use supabase::{
    CodeSender, FormerProjectClient, FormerProjectError, ProbeError, SettingsProblem,
    StartOtpError, SupabaseIdentity, TIMEOUTS, Unreachable, VerifyOtpError, probe,
};
pub use token::MAX_TOKEN_BYTES;

use crate::clock::Timestamp;
use crate::config::IdentityConfig;
use crate::ids::random_id;
use crate::keyring::Keyring;
pub use crate::provider_http::Timeouts;
use crate::store::{Store, StoreError};

pub enum Identity {
    /// This backend.
    Local(Box<LocalIdentity>),
    /// A Supabase project.
    Supabase(Box<SupabaseIdentity>),
}

impl Identity {
    /// Opens the configured issuer, without a request to a provider. Fails if the database is bound to another issuer,
    /// and has accounts, sessions or jobs of it. Otherwise binds the database to the configured one.
    pub async fn open(
        config: &IdentityConfig,
        timeouts: Timeouts,
        store: &Store,
        keyring: Arc<Keyring>,
        now: Timestamp,
    ) -> Result<Self, OpenIdentityError> {
        let issuer = issuer_of(config, store, now).await?;
        let stored = store.bind_issuer(&issuer, now).await?;
        if stored != issuer {
            return Err(OpenIdentityError::OtherIssuer {
                stored: describe(&stored),
                wanted: describe(&issuer),
            });
        }
        Ok(match config {
            IdentityConfig::Local => Self::Local(Box::new(
                LocalIdentity::open(store.clone(), keyring, issuer, now).await?,
            )),
            IdentityConfig::Supabase(config) => Self::Supabase(Box::new(SupabaseIdentity::new(
                config,
                timeouts,
                store.clone(),
            )?)),
        })
    }

    /// The claim `iss` of the issuer's tokens.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Local(local) => local.issuer(),
            Self::Supabase(supabase) => supabase.issuer(),
        }
    }

    /// Issues tokens to a person who has proved their number. `session_id` is the backend's own session.
    pub async fn sign_in(
        &self,
        person: &Person<'_>,
        session_id: Uuid,
        client_ip: IpAddr,
        now: Timestamp,
    ) -> Result<Grant, SignInError> {
        match self {
            Self::Local(local) => local.sign_in(person, session_id, now).await,
            Self::Supabase(supabase) => supabase.sign_in(person, client_ip, now).await,
        }
    }

    /// Issues the next tokens of a session. `current` are the session's tokens at the provider, which gets one request.
    /// If a session of Supabase has no such tokens, it counts as ended.
    pub async fn refresh(
        &self,
        session_id: Uuid,
        subject: Uuid,
        current: Option<&UpstreamTokens>,
        now: Timestamp,
    ) -> Result<Grant, RefreshError> {
        match (self, current) {
            (Self::Local(local), _) => Ok(local.issue(subject, session_id, now).await?),
            (Self::Supabase(supabase), Some(current)) => supabase.refresh(subject, current).await,
            (Self::Supabase(_), None) => Err(RefreshError::Ended(EndReason::NotFound)),
        }
    }

    /// Ends a session at the provider. Safe to repeat: an unknown session counts as ended.
    pub async fn log_out(&self, tokens: &UpstreamTokens) -> Result<(), UpstreamError> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Supabase(supabase) => supabase.log_out(tokens).await,
        }
    }

    /// Deletes the person's account at the provider. Safe to repeat.
    pub async fn delete_account(&self, subject: Uuid) -> Result<(), UpstreamError> {
        match self {
            Self::Local(_) => Ok(()),
            Self::Supabase(supabase) => supabase.delete_account(subject).await,
        }
    }

    /// Verifies a token and returns its claims. The caller checks that the session has not ended.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, TokenError> {
        let verified = match self {
            Self::Local(local) => local.verify(token, now).await,
            Self::Supabase(supabase) => supabase.verify(token, now).await,
        };
        count_failure(&verified);
        verified
    }

    /// Asks the provider about a token that cannot be verified with a public key. The caller limits the
    /// requests about each session. This method limits all requests together.
    pub async fn ask_user(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = match self {
            // The backend's own tokens can all be verified with a public key.
            Self::Local(_) => Err(InvalidToken::Algorithm.into()),
            Self::Supabase(supabase) => supabase.ask_user(token, now).await,
        };
        count_failure(&claims);
        claims
    }

    /// The public keys of the backend's own tokens. The list is empty with Supabase, which publishes its own.
    pub async fn jwks(&self, now: Timestamp) -> JwksDocument {
        match self {
            Self::Local(local) => local.jwks(now).await,
            Self::Supabase(_) => JwksDocument {
                json: r#"{"keys":[]}"#.to_owned(),
                max_age: Duration::from_mins(1),
            },
        }
    }
}

/// Binds the database to the configured issuer instead of the former one, and ends every session. Returns the
/// number of ended sessions.
pub async fn switch_identity(
    config: &IdentityConfig,
    store: &Store,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let issuer = issuer_of(config, store, now).await?;
    store.switch_issuer(&issuer, now).await
}

async fn issuer_of(
    config: &IdentityConfig,
    store: &Store,
    now: Timestamp,
) -> Result<String, StoreError> {
    match config {
        IdentityConfig::Local => store.own_issuer(random_id(), now).await,
        IdentityConfig::Supabase(config) => Ok(config.issuer.clone()),
    }
}

/// Describes an issuer for messages to the operator.
pub(crate) fn describe(issuer: &str) -> String {
    if Store::is_own_issuer(issuer) {
        format!("this backend itself (IDENTITY=local, {issuer})")
    } else {
        format!("Supabase (IDENTITY=supabase, {issuer})")
    }
}

fn count_failure<T>(verified: &Result<T, TokenError>) {
    let reason: &'static str = match verified {
        Ok(_) => return,
        Err(TokenError::Invalid(reason)) => reason.into(),
        Err(TokenError::Unavailable { .. }) => "unavailable",
    };
    metrics::counter!("access_token_failures_total", "reason" => reason).increment(1);
}
