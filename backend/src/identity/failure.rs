//! The errors of [`Identity`](super::Identity), by what the caller can do about them.
//!
//! A session ends only for an [`EndReason`]. After any other answer of a provider, or no answer, the session goes
//! on: a provider that is down for an hour must not sign people out.

use std::time::Duration;

use crate::store::{KeyError, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Trying again may help.
    #[error("the identity provider does not answer")]
    Unavailable { retry_after: Duration },
    #[error("the identity provider has banned this person")]
    Banned,
    /// The person would get an account at the provider that may belong to another person. An alert was logged.
    #[error("the account at the identity provider may belong to another person")]
    ForeignAccount,
    /// With the provider's settings no person can sign in. The log says what the operator has to change.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why there is no next access token. Only [`RefreshError::Ended`] ends the session.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    #[error("the session ended at the identity provider: {0}")]
    Ended(EndReason),
    #[error("the identity provider does not answer")]
    Unavailable { retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a provider ended a session: a label of metrics, and the stored reason for the end of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum EndReason {
    /// The refresh token was used before, and the provider's grace period after that use is over.
    AlreadyUsed,
    /// The provider does not know the refresh token, or the session has none.
    NotFound,
    SessionNotFound,
    /// The session was older, or idle for longer, than the provider allows.
    SessionExpired,
    UserBanned,
}

/// The provider has not confirmed a request. The request can be repeated safely.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("the identity provider does not answer")]
    Unavailable,
    /// The provider refuses the backend's API key, or its settings forbid the request. The log says what to change.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
}

/// Why an access token is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("not a valid access token: {0}")]
    Invalid(InvalidToken),
    /// The token cannot be checked now. The session goes on.
    #[error("the identity provider does not answer")]
    Unavailable { retry_after: Duration },
}

/// Why an access token is invalid: a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum InvalidToken {
    /// The token is not three parts of base64url and JSON, or needs an extension (`crit`).
    Malformed,
    /// The token is longer than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    TooLong,
    /// The token has no signature, or its algorithm is unknown or not that of its key.
    Algorithm,
    UnknownKey,
    Signature,
    Expired,
    NotYet,
    /// The token is from another issuer.
    Issuer,
    Audience,
    /// The role is not that of a person.
    Role,
    /// The token is for an anonymous user, who has not proved a number.
    Anonymous,
    /// A claim is missing or malformed.
    Claims,
    /// The session has ended at the provider, or the person is deleted or banned there.
    Ended,
    /// The provider does not accept the token.
    Refused,
}

impl From<InvalidToken> for TokenError {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason)
    }
}

/// Why the configured issuer cannot be opened on this database.
#[derive(Debug, thiserror::Error)]
pub enum OpenIdentityError {
    #[error(
        "the people in this database have their identities from {stored}, but the configuration says {wanted}; \
         put IDENTITY and the SUPABASE_* variables back as they were, or run `archety-backend identity switch`, \
         which ends every session"
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
