//! A Supabase project that was the issuer before: accounts are deleted there.

use uuid::Uuid;

use super::call_error::CallError;
use super::client::{Client, TIMEOUTS};
use crate::config::SupabaseConfig;

/// A Supabase project that the database was bound to before.
pub struct FormerProject(Client);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeletionKept {
    #[error("the project does not accept FORMER_SUPABASE_SERVICE_KEY")]
    KeyRefused,
    /// No answer came, or one that is not from Supabase Auth. The account may be deleted.
    #[error("the project does not answer")]
    Away,
    /// The project refused the deletion with this error code.
    #[error("the project refuses: {0}")]
    Refused(String),
}

impl FormerProject {
    pub fn new(config: &SupabaseConfig) -> Result<Self, reqwest::Error> {
        Client::new(config, TIMEOUTS).map(Self)
    }

    /// Deletes the account for good. An unknown account counts as deleted.
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
