//! A call that Supabase Auth did not answer as wished, and what it means to a sign-in and to a session.

use std::time::Duration;

use super::refusal::{RETRY_AFTER, Refusal};
use crate::identity::failure::{SignInError, UpstreamError};

/// What came instead of what was asked for.
#[derive(Debug)]
pub(super) enum CallError {
    /// Supabase Auth has answered, and not as wished.
    Refused(Refusal),
    /// Nothing that it can be held to. It may have taken effect.
    Lost,
}

impl CallError {
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Refused(refusal) => refusal.retry_after(),
            Self::Lost => RETRY_AFTER,
        }
    }

    /// The code, if Supabase Auth gave one.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(refusal.code()),
            Self::Lost => None,
        }
    }
}

/// For codes that the flow has no branch for.
impl From<CallError> for SignInError {
    fn from(error: CallError) -> Self {
        let retry_after = error.retry_after();
        match error {
            CallError::Refused(refusal) if refusal.code() == "user_banned" => Self::Refused,
            CallError::Refused(refusal) if refusal.tell_owner() => Self::Misconfigured,
            _ => Self::Unavailable { retry_after },
        }
    }
}

/// For codes that the flow has no branch for.
impl From<CallError> for UpstreamError {
    fn from(error: CallError) -> Self {
        let retry_after = error.retry_after();
        match error {
            CallError::Refused(refusal) if refusal.tell_owner() => Self::Misconfigured,
            _ => Self::Unavailable { retry_after },
        }
    }
}
