//! The job that ends a session at the identity provider after the session's row has ended.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Sessions, upstream_aad};
use crate::clock::Timestamp;
use crate::identity::UpstreamTokens;
use crate::jobs::{Job, JobError, JobRun, Next};
use crate::store::jobs::NewJob;

#[derive(Serialize, Deserialize)]
pub(crate) struct LogOut {
    issuer: String,
    session_id: Uuid,
    /// The session's sealed provider tokens, in base64.
    tokens: String,
}

impl Sessions {
    /// The job for a session with these sealed provider tokens.
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

    async fn run(self, sessions: &Sessions, _: JobRun) -> Result<Next, JobError> {
        if self.issuer != sessions.identity.issuer() {
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

/// The job is retried, because a newer version or a replica with a newer key may be able to read the tokens.
fn unreadable(error: &dyn std::fmt::Display) -> JobError {
    tracing::warn!(error = %error, "the tokens of a session that is to be logged out cannot be read");
    JobError::Later(None)
}
