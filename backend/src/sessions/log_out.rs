//! Logging a session that has ended out at the identity provider.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Sessions, upstream_place};
use crate::identity::UpstreamTokens;
use crate::jobs::{Attempt, Job, JobError, Next};

/// Ends a session at the provider.
#[derive(Serialize, Deserialize)]
pub(crate) struct LogOut {
    issuer: String,
    session_id: Uuid,
    /// Sealed once more, for their session.
    tokens: String,
}

impl LogOut {
    /// The tokens come as they are kept.
    pub(super) fn new(issuer: &str, session_id: Uuid, sealed_tokens: &[u8]) -> Self {
        Self {
            issuer: issuer.to_owned(),
            session_id,
            tokens: STANDARD.encode(sealed_tokens),
        }
    }
}

impl Job for LogOut {
    type Context = Sessions;
    const KIND: &'static str = "log_out";

    async fn run(self, sessions: &Sessions, _: &Attempt) -> Result<Next, JobError> {
        if self.issuer != sessions.identity.issuer() {
            // Tokens of one provider mean nothing to another.
            return Err(JobError::Never("it belongs to another identity provider"));
        }
        let place = upstream_place(self.session_id);
        let sealed = STANDARD
            .decode(self.tokens)
            .map_err(|error| unreadable(&error))?;
        let tokens = sessions
            .keyring
            .open(&place, &sealed)
            .map_err(|error| unreadable(&error))?;
        let tokens = UpstreamTokens::from_json(&tokens).map_err(|error| unreadable(&error))?;
        let logged_out = sessions.identity.log_out(&tokens);
        logged_out.await.map_err(|_away| JobError::Later(None))?;
        Ok(Next::Finished)
    }
}

/// By this version, or while a new key is rolled out by this replica.
fn unreadable(error: &dyn std::fmt::Display) -> JobError {
    tracing::warn!(error = %error, "the tokens of a session that is to be logged out cannot be read");
    JobError::Later(None)
}
