//! The lock that keeps a second relay off the same state.
//!
//! It is an advisory lock on a file of its own: the system releases it with the process, however that
//! ends, and no lock file is ever stale. Owner commands don't take it; they work beside the relay.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::StateError;
use super::files::private_file;

const LOCK_FILE: &str = "relay.lock";

/// Held for as long as the relay runs.
#[derive(Debug)]
pub(super) struct InstanceLock {
    _file: File,
}

impl InstanceLock {
    pub(super) fn acquire(dir: &Path) -> Result<Self, StateError> {
        let file = open(dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse {
                dir: dir.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(StateError::Inaccessible {
                path: dir.join(LOCK_FILE),
                source,
            }),
        }
    }

    /// Whether a relay runs on this state. A probe: it takes the lock for a moment if it is free.
    pub(super) fn is_held(dir: &Path) -> bool {
        open(dir).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

fn open(dir: &Path) -> Result<File, StateError> {
    let path = dir.join(LOCK_FILE);
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    private_file(&mut options)
        .open(&path)
        .map_err(|source| StateError::Inaccessible { path, source })
}
