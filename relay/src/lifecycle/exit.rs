//! Exit codes, after sysexits: a supervisor tells by them whether another start may help.

use chatdb::OpenError;

use super::LoopEnded;
use crate::backend::client::ClientError;
use crate::config::ConfigProblems;
use crate::state::StateError;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Done, or stopped as asked.
    Done = 0,
    /// It failed, or what was asked for is not there.
    Failed = 1,
    /// Start it again: another relay runs, the disk is full, the state is locked, or a part of the relay
    /// ended by itself.
    Temporary = 75,
    /// A permission is missing.
    Permission = 77,
    /// The configuration, or the state, needs its owner.
    Config = 78,
}

impl ExitCode {
    /// The code for an error that ended the process.
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
