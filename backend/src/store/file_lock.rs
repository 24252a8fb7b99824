//! The lock that keeps a second `serve` or `migrate` away from the SQLite file.
//!
//! SQLite itself would let two backends in; their group commits would then wait for each other by
//! busy loops. Commands take no lock: their statements are short. The kernel frees the lock when the
//! process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::OpenError;
use super::sqlite_file::beside;

/// Held until dropped.
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock beside `database`, or tells that another process has it.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = beside(database, ".lock");
        let failed = |source| OpenError::File {
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
