//! Which files an open chat.db stays bound to.
//!
//! An open connection keeps the files it opened, whatever lies at their paths later: a restored
//! chat.db, a `-wal` or `-shm` that another program removed. From then on it sees nothing new and reports no
//! error. SQLite itself replaces none of the three while a connection is open, so a change of any of
//! them means that the connection has to be opened again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Device and inode of a file.
pub(crate) type FileId = (u64, u64);

/// chat.db and its two companions; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    database: Option<FileId>,
    pub(crate) wal: Option<FileId>,
    shm: Option<FileId>,
}

impl Files {
    /// What lies at the paths now. Only their names are looked up: opening and closing chat.db would
    /// drop this process's locks on it.
    pub(crate) fn at(chat_db: &Path) -> Self {
        Self {
            database: id(chat_db),
            wal: id(&companion(chat_db, "-wal")),
            shm: id(&companion(chat_db, "-shm")),
        }
    }

    /// These files, and for those that did not exist yet what has come since.
    pub(crate) fn or(self, later: Self) -> Self {
        Self {
            database: self.database,
            wal: self.wal.or(later.wal),
            shm: self.shm.or(later.shm),
        }
    }

    /// Whether a connection bound to these is cut off when `now` lies at the paths. Companions that
    /// it never had, because the database was not in WAL mode, it opens by itself.
    pub(crate) fn cut_off_by(&self, now: &Self) -> bool {
        let changed = |bound: Option<FileId>, now| bound.is_some() && bound != now;
        self.database != now.database || changed(self.wal, now.wal) || changed(self.shm, now.shm)
    }
}

/// `chat.db-wal` or `chat.db-shm`.
pub(crate) fn companion(chat_db: &Path, suffix: &str) -> PathBuf {
    let mut path = chat_db.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn id(path: &Path) -> Option<FileId> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
