//! The client for a Supabase project that was the issuer before: it deletes the accounts that are left there.

use uuid::Uuid;

use super::call_error::CallError;
use super::client::{Client, TIMEOUTS};
use crate::config::SupabaseConfig;

/// The client for a Supabase project that the database was bound to before.
pub struct FormerProjectClient(Client);

/// Why a request to a former project failed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormerProjectError {
    #[error("the project does not accept FORMER_SUPABASE_SERVICE_KEY")]
    KeyRefused,
    /// No answer came, or one that is not from Supabase Auth. The account may be deleted.
    #[error("the project does not answer")]
    Unavailable,
    /// The project refused the deletion with this error code.
    #[error("the project refuses: {0}")]
    Refused(String),
}

impl FormerProjectClient {
    pub fn new(config: &SupabaseConfig) -> Result<Self, reqwest::Error> {
        Client::new(config, TIMEOUTS).map(Self)
    }

    /// Deletes the account for good. An unknown account counts as deleted.
    pub async fn delete_account(&self, subject: Uuid) -> Result<(), FormerProjectError> {
        Ok(self.0.delete_user(subject).await?)
    }

    pub async fn has_account(&self, subject: Uuid) -> Result<bool, FormerProjectError> {
        Ok(self.0.get_user(subject).await?.is_some())
    }
}

impl From<CallError> for FormerProjectError {
    fn from(error: CallError) -> Self {
        match error.code() {
            Some(_) if error.is_key_refusal() => Self::KeyRefused,
            Some(code) => Self::Refused(code.to_owned()),
            None => Self::Unavailable,
        }
    }
}
