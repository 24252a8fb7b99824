//! The job that deletes a person's account at the identity provider.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Identity;
use crate::jobs::{Job, JobError, JobRun, Next};
use crate::store::Store;
use crate::store::jobs::DELETE_FORMER_ACCOUNT;

/// Deletes an account. The deletion of an account at a former provider is set aside until the operator gives
/// the credentials of that provider.
#[derive(Serialize, Deserialize)]
pub(crate) struct DeleteAccount {
    pub(crate) issuer: String,
    pub(crate) subject: Uuid,
}

impl Job for DeleteAccount {
    type Context = Identity;
    const KIND: &'static str = "delete_account";

    async fn run(self, identity: &Identity, _: JobRun) -> Result<Next, JobError> {
        if self.issuer == identity.issuer() {
            let deleted = identity.delete_account(self.subject).await;
            deleted.map_err(|_unconfirmed| JobError::Later(None))?;
        } else if !Store::is_own_issuer(&self.issuer) {
            tracing::warn!(
                "an account at a former identity provider waits to be deleted; run `archety-backend identity finish-former`"
            );
            return Err(JobError::SetAside(DELETE_FORMER_ACCOUNT));
        }
        // A local account is a row of the database, and is deleted already.
        Ok(Next::Finished)
    }
}
