//! Ends at the identity provider what has ended here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Sessions, upstream_aad};
use crate::clock::Timestamp;
use crate::identity::UpstreamTokens;
use crate::jobs::{Attempt, Job, JobError, Next};
use crate::store::jobs::NewJob;

#[derive(Serialize, Deserialize)]
pub(crate) struct LogOut {
    issuer: String,
    session_id: Uuid,
    /// Sealed once more, for their session.
    tokens: String,
}

impl Sessions {
    /// What is left to do at the identity provider about a session with these tokens, as they are kept.
    pub(super) fn log_out_job(
        &self,
        session_id: Uuid,
        sealed_tokens: &[u8],
        now: Timestamp,
    ) -> NewJob {
        let job = LogOut {
            issuer: self.identity.issuer().to_owned(),
            session_id,
            tokens: STANDARD.encode(sealed_tokens),
        };
        job.to_row(&self.keyring, now)
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
        let sealed = STANDARD
            .decode(self.tokens)
            .map_err(|error| unreadable(&error))?;
        let tokens = sessions
            .keyring
            .open(&upstream_aad(self.session_id), &sealed)
            .map_err(|error| unreadable(&error))?;
        let tokens = UpstreamTokens::from_json(&tokens).map_err(|error| unreadable(&error))?;
        let logged_out = sessions.identity.log_out(&tokens);
        logged_out.await.map_err(|_away| JobError::Later(None))?;
        Ok(Next::Finished)
    }
}

/// A newer version may read them, or a replica that has a new key already.
fn unreadable(error: &dyn std::fmt::Display) -> JobError {
    tracing::warn!(error = %error, "the tokens of a session that is to be logged out cannot be read");
    JobError::Later(None)
}
