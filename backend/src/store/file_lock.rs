//! The lock that keeps a second `serve` or `migrate` from opening the SQLite file.
//!
//! SQLite itself lets two backends open the file, but their commits would wait for each other in busy loops.
//! Other commands take no lock, since their statements are short. The kernel releases the lock when the process
//! ends, also after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::OpenError;
use super::sqlite_file::with_ending;

/// The lock, which is released when this value is dropped.
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks the file `<database>.lock`. Fails if another process has it locked.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = with_ending(database, ".lock");
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
