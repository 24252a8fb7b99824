//! A project that issued access tokens before: it deletes accounts, and nothing else is asked of it.

use uuid::Uuid;

use super::call_error::CallError;
use super::client::{Client, TIMEOUTS};
use crate::config::SupabaseConfig;

/// A Supabase project that the database was bound to before.
pub struct FormerProject(Client);

/// Why an account was not deleted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeletionKept {
    #[error("the project does not accept FORMER_SUPABASE_SERVICE_KEY")]
    KeyRefused,
    /// There is no answer that the project can be held to. The account may be gone.
    #[error("the project does not answer")]
    Away,
    /// The project has refused, with this code.
    #[error("the project refuses: {0}")]
    Refused(String),
}

impl FormerProject {
    pub fn new(config: &SupabaseConfig) -> Result<Self, reqwest::Error> {
        Client::new(config, TIMEOUTS).map(Self)
    }

    /// Deletes the account for good. One that is not there counts as deleted.
    pub async fn delete_account(&self, subject: Uuid) -> Result<(), DeletionKept> {
        Ok(self.0.delete_user(subject).await?)
    }

    pub async fn has_account(&self, subject: Uuid) -> Result<bool, DeletionKept> {
        Ok(self.0.get_user(subject).await?.is_some())
    }
}

impl From<CallError> for DeletionKept {
    fn from(error: CallError) -> Self {
        match error.code() {
            Some(_) if error.is_about_keys() => Self::KeyRefused,
            Some(code) => Self::Refused(code.to_owned()),
            None => Self::Away,
        }
    }
}
