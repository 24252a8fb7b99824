//! A Supabase project as the issuer: people whose number the backend has verified get sessions there.
//!
//! `sign_in` is the usual sign-in. `repair` is the sign-in to an account that was changed or deleted, or that this
//! backend did not create. `calls` and `client` send the requests to the project.

mod account;
mod call_error;
mod calls;
mod client;
mod former;
mod jwks;
mod otp;
mod password;
mod repair;
mod session;
mod settings;
mod sign_in;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use client::TIMEOUTS;
pub use former::{FormerProjectClient, FormerProjectError};
pub use otp::{StartOtpError, VerifyOtpError};
pub use settings::{CodeSender, ProbeError, SettingsProblem, Unreachable, probe};

use super::claims::{Claims, RawClaims, SessionRef, Verified, upstream_session};
use super::failure::{InvalidToken, OpenIdentityError, SignInError, TokenError};
use super::grant::{Grant, Upstream};
use super::token::TokenParts;
use super::verified::VerifiedTokens;
use crate::clock::Timestamp;
use crate::config::SupabaseConfig;
use crate::provider_http::Timeouts;
use crate::store::Store;
use calls::TokenAnswer;
use client::Client;
use jwks::{JwksCache, PublicKeys};
use settings::SignInGate;

/// Limits on the calls that ask the provider about a token, at once and in one second. Without them, forged tokens
/// could use up the provider's rate limit, which sign-ins need.
const MAX_CONCURRENT_USER_CALLS: usize = 16;
const MAX_USER_CALLS_PER_SECOND: u32 = 50;
const TOO_MANY_USER_CALLS: TokenError = TokenError::Unavailable {
    retry_after: Duration::from_secs(1),
};

pub struct SupabaseIdentity {
    issuer: String,
    store: Store,
    client: Client,
    /// Newest first; at least one.
    password_keys: Vec<SecretString>,
    jwks: JwksCache,
    verified: VerifiedTokens,
    user_call_permits: Semaphore,
    /// The current second, and the number of calls in it.
    user_calls: Mutex<(i64, u32)>,
    gate: SignInGate,
}

impl SupabaseIdentity {
    pub(super) fn new(
        config: &SupabaseConfig,
        timeouts: Timeouts,
        store: Store,
    ) -> Result<Self, OpenIdentityError> {
        Ok(Self {
            issuer: config.issuer.clone(),
            store,
            client: Client::new(config, timeouts).map_err(OpenIdentityError::Client)?,
            password_keys: config.password_keys.clone(),
            jwks: JwksCache::default(),
            verified: VerifiedTokens::default(),
            user_call_permits: Semaphore::new(MAX_CONCURRENT_USER_CALLS),
            user_calls: Mutex::default(),
            gate: SignInGate::new(config.environment),
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, TokenError> {
        if let Some(claims) = self.cached_claims(token, self.jwks.fresh(now).as_ref()) {
            claims.check_expiry(now)?;
            return Ok(Verified::Proven(claims));
        }
        let parts = TokenParts::read(token)?;
        let available = self.jwks.available(&self.client, now).await;
        if let Some(claims) = self.cached_claims(token, available.as_ref()) {
            claims.check_expiry(now)?;
            return Ok(Verified::Proven(claims));
        }
        if parts.uses_shared_secret() {
            // An HS256 token with the id of a public key is forged: its secret would be the key that is public.
            if let (Some(keys), Some(id)) = (&available, &parts.key_id)
                && keys.get(id).is_some()
            {
                return Err(InvalidToken::Algorithm.into());
            }
            return Ok(Verified::Claimed(self.check(&parts.payload, now)?));
        }
        let id = parts.key_id.as_deref().ok_or(InvalidToken::UnknownKey)?;
        let keys = match available {
            Some(keys) if keys.get(id).is_some() => keys,
            _ => self.jwks.refreshed(&self.client, now).await?,
        };
        let key = keys.get(id).ok_or(InvalidToken::UnknownKey)?;
        key.verify(&parts)?;
        let claims = self.check(&parts.payload, now)?;
        self.verified.put(token, keys.generation, claims.clone());
        Ok(Verified::Proven(claims))
    }

    /// The claims of a token that these keys have verified before.
    fn cached_claims(&self, token: &str, keys: Option<&Arc<PublicKeys>>) -> Option<Claims> {
        self.verified.get(token, keys?.generation)
    }

    /// Asks the provider whether a token is valid, and returns its claims. The provider checks the signature, the
    /// session and the person.
    pub(super) async fn ask_user(&self, token: &str, now: Timestamp) -> Result<Claims, TokenError> {
        let parts = TokenParts::read(token)?;
        let claims = self.check(&parts.payload, now)?;
        let _permit = self
            .user_call_permits
            .try_acquire()
            .map_err(|_| TOO_MANY_USER_CALLS)?;
        if !self.count_user_call(now) {
            return Err(TOO_MANY_USER_CALLS);
        }
        let error = match self.client.user(token).await {
            Ok(user) if user.id == claims.subject => return Ok(claims),
            Ok(_) => return Err(InvalidToken::Refused.into()),
            Err(error) => error,
        };
        match error.code() {
            Some("session_not_found" | "user_not_found" | "user_banned") => {
                Err(InvalidToken::Ended.into())
            }
            Some("bad_jwt" | "no_authorization" | "validation_failed") => {
                Err(InvalidToken::Refused.into())
            }
            _ => Err(TokenError::Unavailable {
                retry_after: error.retry_after,
            }),
        }
    }

    /// Counts a call that asks about a token. Returns `false` if the limit of this second is exceeded.
    fn count_user_call(&self, now: Timestamp) -> bool {
        let mut calls = self
            .user_calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if calls.0 != now.as_secs() {
            *calls = (now.as_secs(), 0);
        }
        calls.1 += 1;
        calls.1 <= MAX_USER_CALLS_PER_SECOND
    }

    /// The claims in a token's payload, if they are valid at `now`. Does not check the signature.
    fn check(&self, payload: &[u8], now: Timestamp) -> Result<Claims, InvalidToken> {
        RawClaims::read(payload)?.check_at(&self.issuer, upstream_session, now)
    }

    /// The grant of tokens that the provider has just issued. Logs an alert if they are not for `subject`, or if this
    /// backend would not accept them.
    fn grant_from(&self, answer: TokenAnswer, subject: Uuid) -> Result<Grant, SignInError> {
        let user_id = answer.user_id();
        let tokens = answer.into_tokens();
        let access_token = tokens.access.clone();
        let claims = self.claims_of(&access_token).map_err(unusable_token)?;
        if user_id != subject || claims.subject != subject {
            count_alert("other_subject");
            tracing::error!(
                "Supabase has issued tokens for another account than the one asked for"
            );
            return Err(SignInError::ForeignAccount);
        }
        let session_id = match claims.session {
            SessionRef::Upstream(id) => id,
            SessionRef::Own(id) => id.to_string(),
        };
        Ok(Grant {
            access_token,
            expires_at: claims.expires_at,
            subject,
            upstream: Some(Upstream { session_id, tokens }),
        })
    }

    /// The claims of a token that came from the provider itself, so that its signature need not be checked.
    fn claims_of(&self, token: &SecretString) -> Result<Claims, InvalidToken> {
        let parts = TokenParts::read(token.expose_secret())?;
        RawClaims::read(&parts.payload)?.check(&self.issuer, upstream_session)
    }
}

/// Logs that Supabase has issued an access token that this backend would not accept.
fn unusable_token(reason: InvalidToken) -> SignInError {
    if reason == InvalidToken::Issuer {
        count_alert("issuer");
        tracing::error!(
            "the `iss` of Supabase's tokens is not the configured issuer; set SUPABASE_ISSUER to that `iss`"
        );
    } else {
        count_alert("unusable_token");
        tracing::error!(
            %reason,
            "Supabase issues tokens that lack a claim or carry another audience or role; check the project's token hook"
        );
    }
    SignInError::Misconfigured
}

fn count_alert(kind: &'static str) {
    metrics::counter!("identity_alerts_total", "kind" => kind).increment(1);
}
