//! Refresh and end of a session at the provider, and deletion of an account.
//!
//! The caller makes sure that only one replica refreshes a session at a time. If the answer to a refresh was lost, the
//! caller may repeat it with the same token.

use uuid::Uuid;

use super::SupabaseIdentity;
use super::call_error::{CallError, DEFAULT_RETRY_AFTER};
use crate::identity::failure::{EndReason, RefreshError, UpstreamError};
use crate::identity::grant::{Grant, UpstreamTokens};

impl SupabaseIdentity {
    /// Exchanges the refresh token for the next tokens of the session.
    pub(in crate::identity) async fn refresh(
        &self,
        subject: Uuid,
        current: &UpstreamTokens,
    ) -> Result<Grant, RefreshError> {
        let error = match self.client.refresh(&current.refresh).await {
            Ok(answer) => {
                let grant = self.grant_from(answer, subject);
                return grant.map_err(|_unusable| RefreshError::Unavailable {
                    retry_after: DEFAULT_RETRY_AFTER,
                });
            }
            Err(error) => error,
        };
        if let Some(ended) = end_reason(&error) {
            return Err(RefreshError::Ended(ended));
        }
        error.log_remedy();
        Err(RefreshError::Unavailable {
            retry_after: error.retry_after,
        })
    }

    /// Ends the session at the provider. An unknown session counts as ended.
    pub(in crate::identity) async fn log_out(
        &self,
        tokens: &UpstreamTokens,
    ) -> Result<(), UpstreamError> {
        match self.client.log_out(&tokens.access).await {
            Err(error) if error.code() == Some("bad_jwt") => {}
            answered => return ended_or_unknown(answered),
        }
        // The access token has expired, so a refresh gets another one for the log-out.
        let tokens = match self.client.refresh(&tokens.refresh).await {
            Ok(answer) => answer.into_tokens(),
            Err(error) if end_reason(&error).is_some() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ended_or_unknown(self.client.log_out(&tokens.access).await)
    }

    /// Deletes the account at the provider. An unknown account counts as deleted.
    pub(in crate::identity) async fn delete_account(
        &self,
        subject: Uuid,
    ) -> Result<(), UpstreamError> {
        Ok(self.client.delete_user(subject).await?)
    }
}

/// An unknown session or user counts as ended.
fn ended_or_unknown(answered: Result<(), CallError>) -> Result<(), UpstreamError> {
    match answered {
        Err(error) if matches!(error.code(), Some("session_not_found" | "user_not_found")) => {
            Ok(())
        }
        answered => Ok(answered?),
    }
}

/// Why the provider has ended the session. `None` for every other error: the session goes on.
fn end_reason(error: &CallError) -> Option<EndReason> {
    Some(match error.code()? {
        "refresh_token_already_used" => EndReason::AlreadyUsed,
        "refresh_token_not_found" => EndReason::NotFound,
        "session_not_found" => EndReason::SessionNotFound,
        "session_expired" => EndReason::SessionExpired,
        "user_banned" => EndReason::UserBanned,
        _ => return None,
    })
}
