//! This backend as the issuer: ES256 access tokens, signed with keys that the database stores.
//!
//! The issuer's name is random and stored in the database. It is no network address, because an address may change
//! and the issuer of a person must not. A person's subject is their id in the database.

mod signing_keys;

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

pub use signing_keys::rotate;

use super::claims::{AUTHENTICATED, RawClaims, Verified, own_session};
use super::failure::{InvalidToken, OpenIdentityError, SignInError, TokenError};
use super::grant::{Grant, Person};
use super::token::TokenParts;
use super::verified::VerifiedTokens;
use crate::clock::Timestamp;
use crate::keyring::Keyring;
use crate::store::{Store, StoreError};
use signing_keys::{MAX_AGE_OF_JWKS, SigningKeys};

pub const ACCESS_TOKEN_TTL: Duration = Duration::from_hours(1);

pub struct LocalIdentity {
    issuer: String,
    store: Store,
    keys: SigningKeys,
    verified: VerifiedTokens,
}

/// The public keys that verify this backend's tokens.
#[derive(Clone, Debug)]
pub struct JwksDocument {
    /// A JSON Web Key Set.
    pub json: String,
    /// How long the document may be cached: shorter than the time between the publication of a key and its first use.
    pub max_age: Duration,
}

#[derive(Serialize)]
struct TokenPayload<'a> {
    iss: &'a str,
    sub: Uuid,
    aud: &'static str,
    role: &'static str,
    session_id: Uuid,
    iat: i64,
    exp: i64,
    aal: &'static str,
    is_anonymous: bool,
}

impl LocalIdentity {
    pub(super) async fn open(
        store: Store,
        keyring: Arc<Keyring>,
        issuer: String,
        now: Timestamp,
    ) -> Result<Self, OpenIdentityError> {
        Ok(Self {
            issuer,
            keys: SigningKeys::open(store.clone(), keyring, now).await?,
            store,
            verified: VerifiedTokens::default(),
        })
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) async fn sign_in(
        &self,
        person: &Person<'_>,
        session_id: Uuid,
        now: Timestamp,
    ) -> Result<Grant, SignInError> {
        // Row-level security finds people by issuer and subject, so the account must exist.
        self.store
            .create_confirmed_account(person.user_id, &self.issuer, person.user_id, now)
            .await?;
        Ok(self.issue(person.user_id, session_id, now).await?)
    }

    pub(super) async fn issue(
        &self,
        subject: Uuid,
        session_id: Uuid,
        now: Timestamp,
    ) -> Result<Grant, StoreError> {
        let keys = self.keys.current(now).await;
        let key = keys.signing_key(now);
        let iat = now.as_secs();
        let exp = Timestamp::from_secs(iat).plus(ACCESS_TOKEN_TTL);
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.id.clone());
        let payload = TokenPayload {
            iss: &self.issuer,
            sub: subject,
            aud: AUTHENTICATED,
            role: AUTHENTICATED,
            session_id,
            iat,
            exp: exp.as_secs(),
            aal: "aal1",
            is_anonymous: false,
        };
        let token = jsonwebtoken::encode(&header, &payload, &key.signing_key)
            .expect("the key was proved to sign when it was loaded");
        Ok(Grant {
            access_token: SecretString::from(token),
            expires_at: exp,
            subject,
            upstream: None,
        })
    }

    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, TokenError> {
        let mut keys = self.keys.current(now).await;
        if let Some(claims) = self.verified.get(token, keys.generation) {
            claims.check_expiry(now)?;
            return Ok(Verified::Proven(claims));
        }
        let parts = TokenParts::read(token)?;
        let key_id = parts.key_id.as_deref().ok_or(InvalidToken::UnknownKey)?;
        if keys.verifying_key(key_id, now).is_none() {
            keys = self.keys.refreshed(now).await?;
        }
        let key = keys
            .verifying_key(key_id, now)
            .ok_or(InvalidToken::UnknownKey)?;
        key.verify(&parts)?;
        let claims = RawClaims::read(&parts.payload)?.check_at(&self.issuer, own_session, now)?;
        self.verified.put(token, keys.generation, claims.clone());
        Ok(Verified::Proven(claims))
    }

    pub(super) async fn jwks(&self, now: Timestamp) -> JwksDocument {
        JwksDocument {
            json: self.keys.current(now).await.public_json(now),
            max_age: MAX_AGE_OF_JWKS,
        }
    }
}
