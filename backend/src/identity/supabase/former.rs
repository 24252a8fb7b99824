//! A project that issued access tokens before: it deletes accounts, and nothing else is asked of it.

use uuid::Uuid;

use super::call_error::CallError;
use super::client::{Client, UpstreamTimeouts};
use super::settings::is_about_keys;
use crate::config::SupabaseConfig;

/// A Supabase project that the database was bound to before.
pub struct FormerProject {
    client: Client,
}

/// Why an account was not deleted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeletionKept {
    /// The project does not accept the service key.
    #[error("the project does not accept FORMER_SUPABASE_SERVICE_KEY")]
    KeyRefused,
    /// Nothing that the project can be held to was answered. The account may be gone.
    #[error("the project does not answer")]
    Away,
    /// The project has refused, with this code.
    #[error("the project refuses: {0}")]
    Refused(String),
}

impl FormerProject {
    /// Speaks to the project of `config`.
    pub fn new(
        config: &SupabaseConfig,
        timeouts: UpstreamTimeouts,
    ) -> Result<Self, reqwest::Error> {
        let client = Client::new(config, timeouts)?;
        Ok(Self { client })
    }

    /// Deletes the account for good. One that is not there counts as deleted.
    pub async fn delete_account(&self, subject: Uuid) -> Result<(), DeletionKept> {
        Ok(self.client.delete_user(subject).await?)
    }

    /// Whether the project has an account of this id.
    pub async fn has_account(&self, subject: Uuid) -> Result<bool, DeletionKept> {
        Ok(self.client.get_user(subject).await?.is_some())
    }
}

impl From<CallError> for DeletionKept {
    fn from(error: CallError) -> Self {
        match error.code() {
            Some(_) if is_about_keys(&error) => Self::KeyRefused,
            Some(code) => Self::Refused(code.to_owned()),
            None => Self::Away,
        }
    }
}
