//! Sessions: who is signed in, by which credential, until when.
//!
//! A browser shows a cookie, an app an access token; both belong to a row of our own table, and the
//! row decides: one that has ended shuts out every token of it, on every replica, within a second. Our
//! refresh token keeps a session going; the identity provider's tokens stay here, sealed. The parts:
//! `sign_in` begins sessions, `reading` finds the one behind a credential, `refreshing` rotates,
//! `upstream` keeps the provider's tokens fresh, `ending` ends them.

mod device;
mod ending;
mod family;
mod live;
mod log_out;
mod reading;
mod refresh_token;
mod refreshing;
mod sign_in;
mod single_flight;
mod upstream;
mod user_checks;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Timestamp;
use crate::identity::{Grant, Identity, RefreshError, TokenError};
use crate::keyring::Keyring;
use crate::store::sessions::SessionRow;
use crate::store::{Actor, Store, StoreError};

pub use device::label as device_label;
pub use family::GRACE;
pub use refresh_token::RefreshToken;
pub use refreshing::Refreshed;
pub use sign_in::{Opened, Remember, SignIn, SignInError};

use live::LiveSessions;
use single_flight::Flights;
use upstream::UpstreamFailures;
use user_checks::UserChecks;

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

/// Why a credential opens no session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It is not a credential of ours, or its session is over.
    #[error("the credential belongs to no live session")]
    SignedOut,
    /// Whether it is good cannot be found out right now. The session lives on.
    #[error("the identity provider does not answer")]
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

/// Whole seconds for a `Retry-After`, at least one.
fn retry_secs(after: Duration) -> u32 {
    u32::try_from(after.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// Everything that sessions need. Clones share what they know.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    identity: Arc<Identity>,
    keyring: Arc<Keyring>,
    live: Arc<LiveSessions>,
    upstream_refreshes: Arc<Flights>,
    upstream_failures: Arc<UpstreamFailures>,
    user_checks: Arc<UserChecks>,
}

impl Sessions {
    pub fn new(store: Store, identity: Arc<Identity>, keyring: Arc<Keyring>) -> Self {
        Self {
            store,
            identity,
            keyring,
            live: Arc::default(),
            upstream_refreshes: Arc::default(),
            upstream_failures: Arc::default(),
            user_checks: Arc::default(),
        }
    }

    /// When a session that is used now ends unless it is used again.
    fn idle_expiry(session: &Session, now: Timestamp) -> Timestamp {
        let (idle, _) = Remember::of(session.remember).lifetimes();
        now.plus(idle).min(session.expires_at)
    }
}

impl SessionRow {
    pub const STEP_UP_TTL: Duration = Duration::from_mins(10);

    /// The person, as row-level security knows them.
    pub fn actor(&self) -> Actor {
        Actor {
            user_id: self.user_id,
            issuer: self.issuer.clone(),
            subject: self.subject,
        }
    }

    /// When the last confirmed code stops to count, if it still counts.
    pub fn stepped_up_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.step_up_at?.plus(Self::STEP_UP_TTL);
        (now < until).then_some(until)
    }

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

/// Binds sealed provider tokens to their session, so that no other session's can stand in for them.
fn upstream_aad(session_id: uuid::Uuid) -> String {
    format!("upstream-tokens:{session_id}")
}
