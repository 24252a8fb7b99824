//! Who issues people's access tokens: this backend, or a Supabase project.
//!
//! [`Identity`] is the interface to both. It signs a person in, gets the next tokens, ends sessions and
//! verifies tokens. How a number was proved, whether a session of ours still lives, leases, retries and what
//! is stored about a session are the caller's. The database remembers its issuer and is opened for no other.

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
    Ended, InvalidToken, OpenIdentityError, RefreshError, SignInError, TokenError, UpstreamError,
};
pub use grant::{Grant, InvalidTokens, Person, Upstream, UpstreamTokens};
pub use local::{ACCESS_TOKEN_TTL, JwksDocument, LocalIdentity, rotate as rotate_signing_key};
pub use supabase::{
    CodesBy, DeletionKept, FormerProject, ProbeError, SettingsProblem, StartOtpError,
    SupabaseIdentity, TIMEOUTS, Unreachable, VerifyOtpError, probe,
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
    /// The configured issuer, if the database is its own. Asks no provider.
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

    /// The `iss` of its tokens.
    pub fn issuer(&self) -> &str {
        match self {
            Self::Local(local) => local.issuer(),
            Self::Supabase(supabase) => supabase.issuer(),
        }
    }

    /// Tokens for a person who has proved their number, for the session `session_id` of ours. `client`
    /// is the address of their device.
    pub async fn sign_in(
        &self,
        person: &Person<'_>,
        session_id: Uuid,
        client: IpAddr,
        now: Timestamp,
    ) -> Result<Grant, SignInError> {
        match self {
            Self::Local(local) => local.sign_in(person, session_id, now).await,
            Self::Supabase(supabase) => supabase.sign_in(person, client, now).await,
        }
    }

    /// The next tokens of a session; one call to the provider. A session whose provider tokens are
    /// lost cannot go on.
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
            (Self::Supabase(_), None) => Err(RefreshError::Ended(Ended::NotFound)),
        }
    }

    /// Ends a session at the provider. Safe to repeat: what is gone counts as ended.
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

    /// The claims of a token of the issuer. The caller looks up whether its session still lives.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, TokenError> {
        let verified = match self {
            Self::Local(local) => local.verify(token, now).await,
            Self::Supabase(supabase) => supabase.verify(token, now).await,
        };
        count_failure(&verified);
        verified
    }

    /// Asks the provider about a token that no public key proves. The caller limits how often; in all
    /// it is limited here.
    pub async fn ask_user(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let claims = match self {
            // Every token of ours can be proved.
            Self::Local(_) => Err(InvalidToken::Algorithm.into()),
            Self::Supabase(supabase) => supabase.ask_user(token, now).await,
        };
        count_failure(&claims);
        claims
    }

    /// The public keys of our own tokens; an empty list where a provider publishes its own.
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

/// Binds the database to the configured issuer, in place of the one before, and ends every session. Tells
/// how many there were.
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

/// An issuer in words.
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
