//! Sessions at the provider after they began: the next tokens, and the end.
//!
//! One call each. The caller sees to it that two replicas don't refresh one session at once; a refresh
//! whose answer was lost may be repeated with the same token.

use uuid::Uuid;

use super::SupabaseIdentity;
use super::call_error::CallError;
use crate::identity::failure::{Ended, RefreshError, UpstreamError};
use crate::identity::grant::{Grant, UpstreamTokens};

impl SupabaseIdentity {
    /// The next tokens of a session.
    pub(in crate::identity) async fn refresh(
        &self,
        subject: Uuid,
        current: &UpstreamTokens,
    ) -> Result<Grant, RefreshError> {
        let error = match self.client.refresh(&current.refresh).await {
            Ok(answer) => match self.granted(answer, subject) {
                Ok(grant) => return Ok(grant),
                Err(_unusable) => CallError::LOST,
            },
            Err(error) => error,
        };
        if let Some(ended) = ended(&error) {
            return Err(RefreshError::Ended(ended));
        }
        error.log_fix();
        Err(RefreshError::Unavailable {
            retry_after: error.retry_after,
        })
    }

    /// Ends the session at the provider. One that is gone already counts as ended.
    pub(in crate::identity) async fn log_out(
        &self,
        tokens: &UpstreamTokens,
    ) -> Result<(), UpstreamError> {
        match self.client.log_out(&tokens.access).await {
            Err(error) if error.code() == Some("bad_jwt") => {}
            answered => return finished(answered),
        }
        // The access token has expired. The refresh token gets another that can log out.
        let tokens = match self.client.refresh(&tokens.refresh).await {
            Ok(answer) => answer.into_tokens(),
            Err(error) if ended(&error).is_some() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        finished(self.client.log_out(&tokens.access).await)
    }

    /// Deletes the account at the provider. One that is gone already counts as deleted.
    pub(in crate::identity) async fn delete_account(
        &self,
        subject: Uuid,
    ) -> Result<(), UpstreamError> {
        Ok(self.client.delete_user(subject).await?)
    }
}

fn finished(answered: Result<(), CallError>) -> Result<(), UpstreamError> {
    match answered {
        Err(error) if matches!(error.code(), Some("session_not_found" | "user_not_found")) => {
            Ok(())
        }
        answered => Ok(answered?),
    }
}

/// The only answers that end a session.
fn ended(error: &CallError) -> Option<Ended> {
    Some(match error.code()? {
        "refresh_token_already_used" => Ended::AlreadyUsed,
        "refresh_token_not_found" => Ended::NotFound,
        "session_not_found" => Ended::SessionNotFound,
        "session_expired" => Ended::SessionExpired,
        "user_banned" => Ended::UserBanned,
        _ => return None,
    })
}
