//! Errors of the relay's own state, distinguished by what the caller can do about them.
//!
//! If the disk is full or the file is busy, nothing was written, and the same work is tried again later. Most other
//! errors need the owner, so their texts name the file and the remedy. No error contains text of a message.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi;

/// The state could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another relay runs on this state.
    #[error(
        "another archety-relay already runs on the state in {}; stop that one first, or give this \
         one its own folder with --state-dir", dir.display()
    )]
    InUse { dir: PathBuf },
    /// The folder has no state, or an empty file in the place of one.
    #[error(
        "there is no relay state in {}; start it once with `archety-relay run`, or name the right \
         folder with --state-dir", dir.display()
    )]
    Missing { dir: PathBuf },
    /// Only a newer relay can read and write this state.
    #[error(
        "the state in {} needs a relay that knows version {needed}, and this relay knows versions \
         up to {known}; install the newer archety-relay again", path.display()
    )]
    Newer {
        path: PathBuf,
        needed: i64,
        known: i64,
    },
    /// The file is SQLite's, but not a relay's state.
    #[error(
        "{} is another program's database, not a relay's state; name the right folder with \
         --state-dir", path.display()
    )]
    Foreign { path: PathBuf },
    /// The file is damaged.
    #[error(
        "the state in {} is damaged ({source}); move the file and its -wal aside and start again: \
         the relay then resumes after the newest message that the backend has", path.display()
    )]
    Corrupt {
        path: PathBuf,
        source: rusqlite::Error,
    },
    /// The folder or file cannot be created or opened.
    #[error("cannot use {}: {source}; it must belong to the user that runs the relay", path.display())]
    Inaccessible {
        path: PathBuf,
        source: std::io::Error,
    },
    /// No space is left; nothing was written and nothing is lost.
    #[error(
        "the disk that holds the relay's state is full; make space, the relay goes on by itself"
    )]
    DiskFull(#[source] rusqlite::Error),
    /// Another process kept the file locked for too long; nothing was written.
    #[error("the relay's state stayed locked by another process; it will be tried again")]
    Busy(#[source] rusqlite::Error),
    /// Anything else that SQLite refuses.
    #[error("the relay's state cannot be used: {0}")]
    Sqlite(#[source] rusqlite::Error),
}

impl StateError {
    /// A short code for the heartbeat and the log.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "state_in_use",
            Self::Missing { .. } => "state_missing",
            Self::Newer { .. } => "state_newer",
            Self::Foreign { .. } => "state_foreign",
            Self::Corrupt { .. } => "state_damaged",
            Self::Inaccessible { .. } => "state_no_permission",
            Self::DiskFull(_) => "state_disk_full",
            Self::Busy(_) => "state_busy",
            Self::Sqlite(_) => "state_error",
        }
    }
}

impl From<rusqlite::Error> for StateError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(code) = error.sqlite_error() else {
            return Self::Sqlite(error);
        };
        match (code.code, code.extended_code) {
            // On a full disk SQLite reports FULL if the WAL cannot grow, and an I/O error if the shared memory
            // of the WAL cannot grow or if a quota is used up.
            (ErrorCode::DiskFull, _)
            | (
                _,
                ffi::SQLITE_IOERR_WRITE | ffi::SQLITE_IOERR_SHMSIZE | ffi::SQLITE_IOERR_TRUNCATE,
            ) => Self::DiskFull(error),
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Self::Busy(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// Turns the error of a folder or file operation into one that names its path.
pub(super) fn inaccessible(path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    let path = path.to_owned();
    |source| StateError::Inaccessible { path, source }
}

/// Turns an error met while opening the file at `path` into one that names the path.
pub(super) fn while_opening(path: &Path, error: rusqlite::Error) -> StateError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StateError::Corrupt {
            path: path.to_owned(),
            source: error,
        },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            let denied = std::io::ErrorKind::PermissionDenied;
            inaccessible(path)(std::io::Error::new(denied, error))
        }
        _ => error.into(),
    }
}
