//! The files to which an open connection to chat.db stays bound.
//!
//! An open connection keeps the files that it opened, even if other files come to their paths later: a
//! restored chat.db, or a `-wal` or `-shm` that another program removed. From then on the connection
//! sees nothing new and reports no error. SQLite itself replaces none of the three while a connection
//! is open. So if any of them changes, the connection has to be opened again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Device and inode of a file.
pub(crate) type FileId = (u64, u64);

/// The ids of chat.db and its two companion files; `None` for a file that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    database: Option<FileId>,
    pub(crate) wal: Option<FileId>,
    shm: Option<FileId>,
}

impl Files {
    /// The files that are at the paths now. The files are not opened, since closing chat.db would drop this process's
    /// locks on it.
    pub(crate) fn at(chat_db: &Path) -> Self {
        Self {
            database: id(chat_db),
            wal: id(&companion(chat_db, "-wal")),
            shm: id(&companion(chat_db, "-shm")),
        }
    }

    /// These files; a companion file that did not exist yet is taken from `later`.
    pub(crate) fn with_new_companions(self, later: Self) -> Self {
        Self {
            database: self.database,
            wal: self.wal.or(later.wal),
            shm: self.shm.or(later.shm),
        }
    }

    /// Whether a connection to these files sees no more changes, because `now` are the files at the paths.
    /// A companion file that did not exist before is no reason: the connection opens it once it exists.
    pub(crate) fn is_cut_off_by(&self, now: &Self) -> bool {
        let changed = |bound: Option<FileId>, now| bound.is_some() && bound != now;
        self.database != now.database || changed(self.wal, now.wal) || changed(self.shm, now.shm)
    }
}

/// The path of `chat.db-wal` or `chat.db-shm`; `suffix` is `-wal` or `-shm`.
pub(crate) fn companion(chat_db: &Path, suffix: &str) -> PathBuf {
    let mut path = chat_db.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// The id of the file at `path`; `None` if there is none.
fn id(path: &Path) -> Option<FileId> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
