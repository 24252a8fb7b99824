//! The lock that keeps a second relay off the same state.
//!
//! The lock is an advisory one on a file of its own. The system releases it when the process ends in any way, so no
//! lock file is ever stale. Commands of the owner do not take the lock, so they work while the relay runs.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::StateError;
use super::error::inaccessible;
use super::files::open_private;

const LOCK_FILE: &str = "relay.lock";

/// Held as long as the relay runs.
#[derive(Debug)]
pub(super) struct InstanceLock {
    /// The lock ends when this file is closed.
    _file: File,
}

impl InstanceLock {
    /// Takes the lock of the state in `dir`. The error is [`StateError::InUse`] if another relay has it.
    pub(super) fn acquire(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join(LOCK_FILE);
        let file = open_private(&path).map_err(inaccessible(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse {
                dir: dir.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(inaccessible(&path)(source)),
        }
    }

    /// Whether a relay runs on the state in `dir`. If the lock is free, this function takes it for a moment.
    pub(super) fn is_held(dir: &Path) -> bool {
        open_private(&dir.join(LOCK_FILE))
            .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}
