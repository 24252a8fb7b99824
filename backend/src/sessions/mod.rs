//! Sessions: which person is signed in, with which credential, and until when.
//!
//! A browser sends a cookie, an app an access token. Each belongs to a row of the table of sessions. When the row
//! has ended, every credential of the session is refused on every replica within a second. A session is prolonged
//! with the backend's own refresh token. The identity provider's tokens never leave the backend and are stored
//! sealed. `sign_in` begins a session, `lookup` finds the session of a credential, `refreshing` rotates the
//! refresh token, `upstream` refreshes the provider's tokens, and `ending` ends sessions.

mod cache;
mod device;
mod ending;
mod log_out;
mod lookup;
mod refresh_token;
mod refreshing;
mod session_locks;
mod sign_in;
mod token_checks;
mod token_state;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::identity::{Grant, Identity, RefreshError, TokenError};
use crate::keyring::Keyring;
use crate::store::sessions::SessionRow;
use crate::store::{Actor, Store, StoreError};

pub use device::label as device_label;
pub use refresh_token::RefreshToken;
pub use refreshing::RefreshedSession;
pub use sign_in::{OpenedSession, Remember, SignIn, SignInError};
pub use token_state::GRACE;

use cache::SessionCache;
use session_locks::SessionLocks;
use token_checks::TokenChecks;
use upstream::UpstreamFailures;

pub(crate) use log_out::LogOut;

pub type Session = SessionRow;

/// How a session's credential travels: in a browser's cookie, or as an app's access and refresh token.
/// The names in lower case are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Transport {
    Cookie,
    Bearer,
}

/// Why a credential is not accepted, or a session not refreshed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The credential is not valid, or its session has ended.
    #[error("the credential belongs to no live session")]
    SignedOut,
    /// The credential cannot be checked or renewed now. The session goes on.
    #[error("the session cannot be checked or renewed now")]
    Unavailable {
        /// Seconds.
        retry_after: u32,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SessionError {
    fn unavailable(retry_after: Duration) -> Self {
        Self::Unavailable {
            retry_after: retry_secs(retry_after),
        }
    }
}

impl From<TokenError> for SessionError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid(_) => Self::SignedOut,
            TokenError::Unavailable { retry_after } => Self::unavailable(retry_after),
        }
    }
}

impl From<RefreshError> for SessionError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Ended(_) => Self::SignedOut,
            RefreshError::Unavailable { retry_after } => Self::unavailable(retry_after),
            RefreshError::Store(error) => Self::Store(error),
        }
    }
}

/// The value of a `Retry-After` header: whole seconds, at least one.
fn retry_secs(after: Duration) -> u32 {
    u32::try_from(after.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// The operations on sessions. Clones share their caches and locks.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    identity: Arc<Identity>,
    keyring: Arc<Keyring>,
    cache: Arc<SessionCache>,
    upstream_locks: Arc<SessionLocks>,
    upstream_failures: Arc<UpstreamFailures>,
    token_checks: Arc<TokenChecks>,
}

impl Sessions {
    pub fn new(store: Store, identity: Arc<Identity>, keyring: Arc<Keyring>) -> Self {
        Self {
            store,
            identity,
            keyring,
            cache: Arc::default(),
            upstream_locks: Arc::default(),
            upstream_failures: Arc::default(),
            token_checks: Arc::default(),
        }
    }

    /// The time at which a session ends if its last use is at `now`.
    fn idle_expiry(session: &Session, now: Timestamp) -> Timestamp {
        let (idle_lifetime, _) = Remember::of(session.remember).lifetimes();
        now.plus(idle_lifetime).min(session.expires_at)
    }
}

impl SessionRow {
    pub const STEP_UP_TTL: Duration = Duration::from_mins(10);

    /// The person, for row-level security.
    pub fn actor(&self) -> Actor {
        Actor {
            user_id: self.user_id,
            issuer: self.issuer.clone(),
            subject: self.subject,
        }
    }

    /// When the step-up ends; `None` if no code was confirmed within the last ten minutes.
    pub fn stepped_up_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.step_up_at?.plus(Self::STEP_UP_TTL);
        (now < until).then_some(until)
    }

    /// When the session ends if it is not used again.
    pub fn ends_at(&self) -> Timestamp {
        self.idle_expires_at.min(self.expires_at)
    }
}

pub struct AccessToken {
    pub token: SecretString,
    pub expires_at: Timestamp,
}

impl From<Grant> for AccessToken {
    fn from(grant: Grant) -> Self {
        Self {
            token: grant.access_token,
            expires_at: grant.expires_at,
        }
    }
}

/// The additional authenticated data of sealed provider tokens, which binds them to their session.
fn upstream_aad(session_id: uuid::Uuid) -> String {
    format!("upstream-tokens:{session_id}")
}
