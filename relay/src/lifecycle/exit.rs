//! Exit codes of the commands. They tell launchd, or a script, whether starting the relay again may help. The
//! codes above 1 are those of `sysexits.h`.

use chatdb::OpenError;

use super::LoopEnded;
use crate::backend::client::ClientError;
use crate::config::ConfigProblems;
use crate::state::StateError;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done, or stopped as asked.
    Done = 0,
    /// An error. Or what the command names does not exist, or `status` finds the relay not well.
    Failed = 1,
    /// Starting again may help: another relay runs, the disk is full, the state is locked, or a loop of the
    /// relay ended by itself.
    Temporary = 75,
    /// The relay has no permission to read chat.db or to use its state folder.
    Permission = 77,
    /// Starting again does not help before the owner has changed the configuration or the state, or has
    /// installed the certificates that the HTTP client needs.
    Config = 78,
}

impl ExitCode {
    /// The exit code of a command that ended with this error.
    pub fn of(error: &anyhow::Error) -> Self {
        if error.is::<ConfigProblems>() || error.is::<ClientError>() {
            return Self::Config;
        }
        if error.is::<LoopEnded>() {
            return Self::Temporary;
        }
        if let Some(OpenError::NoPermission(_)) = error.downcast_ref() {
            return Self::Permission;
        }
        match error.downcast_ref::<StateError>() {
            Some(StateError::InUse { .. } | StateError::DiskFull(_) | StateError::Busy(_)) => {
                Self::Temporary
            }
            Some(StateError::Inaccessible { .. }) => Self::Permission,
            Some(
                StateError::Newer { .. } | StateError::Foreign { .. } | StateError::Corrupt { .. },
            ) => Self::Config,
            Some(StateError::Missing { .. } | StateError::Sqlite(_)) | None => Self::Failed,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
