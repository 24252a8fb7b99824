//! Errors of opening and reading chat.db. The text of each [`OpenError`] names its remedy.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// chat.db cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no file at this path: Messages was never signed in on this account, or the path is wrong.
    #[error("{} does not exist; sign in to Messages on this account, or set chat_db to the right path", .0.display())]
    Missing(PathBuf),
    /// macOS or the file mode does not let this program read the file.
    #[error(
        "{} may not be read; grant Full Disk Access to this program in System Settings > Privacy & Security \
         (switch it off and on again if it is already listed)", .0.display()
    )]
    NoPermission(PathBuf),
    /// The file is empty, or looks empty, as on some versions of macOS without Full Disk Access.
    #[error(
        "{} is empty: Messages has written nothing into it; sign in to Messages on this account, or set chat_db to \
         the right path (where Messages shows conversations, grant Full Disk Access to this program)", .0.display()
    )]
    Empty(PathBuf),
    /// The file is not a database, or only a part of one.
    #[error(
        "{} is not a whole SQLite database ({detail}); set chat_db to Messages' chat.db, and if that is a copy, \
         copy chat.db, chat.db-wal and chat.db-shm together", path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file, in words of SQLite or of this crate.
        detail: String,
    },
    /// A database of another program.
    #[error(
        "{} has no {table} table; set chat_db to Messages' chat.db, and if that is a copy, copy chat.db-wal with it",
        path.display()
    )]
    NotMessages {
        /// The file.
        path: PathBuf,
        /// The table that the database lacks.
        table: &'static str,
    },
    /// The file is fine, but the two files that SQLite needs beside it can be neither read nor created.
    #[error(
        "{} cannot be read without chat.db-wal and chat.db-shm beside it; let this program write to their folder, \
         or copy all three into one that it may write", .0.display()
    )]
    Companions(PathBuf),
    /// Another process has locked the database; trying again helps.
    #[error("{} is locked by another program; close what has it open, or wait", .0.display())]
    Busy(PathBuf),
    /// Any other error.
    #[error("{} cannot be opened; look at its disk, and at the cause that follows", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// The error of SQLite.
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// A short code for the heartbeat and the log.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "chat_db_missing",
            Self::NoPermission(_) => "chat_db_no_permission",
            Self::Empty(_) => "chat_db_empty",
            Self::NotADatabase { .. } => "chat_db_damaged",
            Self::NotMessages { .. } => "chat_db_foreign",
            Self::Companions(_) => "chat_db_companions",
            Self::Busy(_) => "chat_db_busy",
            Self::Other { .. } => "chat_db_error",
        }
    }

    /// The variant for an error of SQLite, by its code alone.
    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match code_of(&source) {
            Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::PermissionDenied) => {
                Self::NoPermission(path)
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::NotADatabase {
                path,
                detail: source.to_string(),
            },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => Self::Companions(path),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Busy(path),
            _ => Self::Other { path, source },
        }
    }
}

/// A read of chat.db failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Another process has locked the database, or is changing its schema: try again.
    #[error("chat.db is busy")]
    Busy(#[source] rusqlite::Error),
    /// The open file cannot be used any more: it is damaged, truncated, or no longer readable. Opening
    /// it again gives the exact error.
    #[error("chat.db can no longer be read")]
    Lost(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        match code_of(&error) {
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SchemaChanged,
            ) => Self::Busy(error),
            _ => Self::Lost(error),
        }
    }
}

fn code_of(error: &rusqlite::Error) -> Option<ErrorCode> {
    error.sqlite_error_code()
}
