//! What can go wrong with identities, by what the caller can do about it.
//!
//! A session ends only for the reasons in [`Ended`]. Whatever else a provider says or fails to say
//! keeps it: a provider that is down for an hour must not sign anybody out.

use std::time::Duration;

use crate::store::{KeyError, StoreError};

/// Nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The provider does not answer, or not yet. Trying again may help.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The provider has banned the person.
    #[error("the identity provider has banned this person")]
    Refused,
    /// The provider has an account with this number that may be somebody else's. The owner was told.
    #[error("the identity provider has a foreign account with this number")]
    NotAdoptable,
    /// The provider is set up in a way that lets nobody in. The owner was told what it is.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
    /// The database did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// There is no next access token.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// The session is over, at the provider as well.
    #[error("the session ended at the identity provider: {0}")]
    Ended(Ended),
    /// The provider does not answer, or not yet. The session stays.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// The database did not do its work. The session stays.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a provider ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The refresh token was used before, and not only just now.
    #[error("already_used")]
    AlreadyUsed,
    /// It does not know the refresh token.
    #[error("not_found")]
    NotFound,
    /// It does not know the session.
    #[error("session_not_found")]
    SessionNotFound,
    /// The session was older, or idle for longer, than it allows.
    #[error("session_expired")]
    SessionExpired,
    /// It has banned the person.
    #[error("user_banned")]
    UserBanned,
}

impl Ended {
    /// As a label, and as the reason of a session's end.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyUsed => "already_used",
            Self::NotFound => "not_found",
            Self::SessionNotFound => "session_not_found",
            Self::SessionExpired => "session_expired",
            Self::UserBanned => "user_banned",
        }
    }
}

/// The provider has not done what was asked. Asking again is safe.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// It does not answer, or not yet.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// It refuses our keys. The owner was told.
    #[error("the identity provider is not set up for this")]
    Misconfigured,
}

/// An access token proves nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a valid one.
    #[error("not a valid access token: {0}")]
    Invalid(InvalidToken),
    /// Nobody can tell now. Whoever holds it stays signed in.
    #[error("the identity provider does not answer")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

/// What is wrong with an access token: a closed list, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// Empty, or not three parts of base64url and JSON.
    #[error("malformed")]
    Malformed,
    /// Longer than any that is issued.
    #[error("too_long")]
    TooLong,
    /// An algorithm that its key is not for, or none.
    #[error("algorithm")]
    Algorithm,
    /// Signed by a key that nobody published.
    #[error("unknown_key")]
    UnknownKey,
    /// The signature is not that of its key.
    #[error("signature")]
    Signature,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not_yet")]
    NotYet,
    /// Somebody else issued it.
    #[error("issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("audience")]
    Audience,
    /// It is not a person's.
    #[error("role")]
    Role,
    /// It is a visitor's who never proved a number.
    #[error("anonymous")]
    Anonymous,
    /// A claim is missing, or of a form of its own.
    #[error("claims")]
    Claims,
    /// The provider says that its session or its person is gone.
    #[error("ended")]
    Ended,
    /// The provider does not accept it.
    #[error("refused")]
    Refused,
}

impl InvalidToken {
    /// Label of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLong => "too_long",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Role => "role",
            Self::Anonymous => "anonymous",
            Self::Claims => "claims",
            Self::Ended => "ended",
            Self::Refused => "refused",
        }
    }
}

impl From<InvalidToken> for TokenError {
    fn from(reason: InvalidToken) -> Self {
        Self::Invalid(reason)
    }
}

/// Identities cannot be had with this configuration on this database.
#[derive(Debug, thiserror::Error)]
pub enum OpenIdentityError {
    /// The database is bound to another issuer.
    #[error(
        "the people in this database have their identities from {stored}, but the configuration says {wanted}; \
         put IDENTITY and the SUPABASE_* variables back as they were, or run `archety-backend identity switch`, \
         which signs everybody out"
    )]
    OtherIssuer {
        /// Whom the database is bound to.
        stored: String,
        /// Whom the configuration names.
        wanted: String,
    },
    /// The HTTP client cannot be built.
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
