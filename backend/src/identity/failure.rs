//! What can go wrong with identities, by what the caller can do about it.
//!
//! A session ends only for the reasons in [`Ended`]. Any other answer of a provider, or none, keeps it: a
//! provider that is down for an hour must not sign anybody out.

use std::time::Duration;

use crate::store::{KeyError, StoreError};

/// Why a person was not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Trying again may help.
    #[error("the identity provider does not answer")]
    Unavailable { retry_after: Duration },
    #[error("the identity provider has banned this person")]
    Refused,
    /// The provider has an account with this number that may be another person's. The owner was told.
    #[error("the identity provider has a foreign account with this number")]
    NotAdoptable,
    /// The provider is set up in a way that lets nobody in. The owner was told what it is.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why there is no next access token. Only [`RefreshError::Ended`] ends the session.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("the session ended at the identity provider: {0}")]
    Ended(Ended),
    #[error("the identity provider does not answer")]
    Unavailable { retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a provider ended a session: also a label, and the stored reason of the session's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Ended {
    /// The refresh token was used before, and not only just now.
    AlreadyUsed,
    /// The provider does not know the refresh token.
    NotFound,
    SessionNotFound,
    /// The session was older, or idle for longer, than the provider allows.
    SessionExpired,
    UserBanned,
}

/// The provider has not done what was asked. Asking again is safe.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the identity provider does not answer")]
    Unavailable,
    /// The provider refuses our keys. The owner was told.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
}

/// An access token proves nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a valid access token: {0}")]
    Invalid(InvalidToken),
    /// Whether it is valid cannot be found out now. Its holder stays signed in.
    #[error("the identity provider does not answer")]
    Unavailable { retry_after: Duration },
}

/// What is wrong with an access token: a closed list, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum InvalidToken {
    /// Empty, or not three parts of base64url and JSON.
    Malformed,
    /// Longer than any that is issued.
    TooLong,
    /// An algorithm that its key is not for, or none.
    Algorithm,
    UnknownKey,
    /// The signature is not that of its key.
    Signature,
    Expired,
    NotYet,
    /// It is of another issuer.
    Issuer,
    Audience,
    /// It is not a person's.
    Role,
    /// It is a visitor's who never proved a number.
    Anonymous,
    /// A claim is missing or malformed.
    Claims,
    /// The provider says that its session or its person is gone.
    Ended,
    /// The provider does not accept it.
    Refused,
}

impl From<InvalidToken> for TokenError {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason)
    }
}

/// Why identities cannot be had with this configuration on this database.
#[derive(Debug, thiserror::Error)]
pub enum OpenIdentityError {
    #[error(
        "the people in this database have their identities from {stored}, but the configuration says {wanted}; \
         put IDENTITY and the SUPABASE_* variables back as they were, or run `archety-backend identity switch`, \
         which signs everybody out"
    )]
    OtherIssuer {
        /// The issuer that the database is bound to.
        stored: String,
        /// The configured issuer.
        wanted: String,
    },
    #[error("the HTTP client cannot be set up: {0}; on Linux, install ca-certificates")]
    Client(#[source] reqwest::Error),
    /// A signing key cannot be used, or the database does not answer.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl From<StoreError> for OpenIdentityError {
    fn from(error: StoreError) -> Self {
        Self::Keys(error.into())
    }
}
