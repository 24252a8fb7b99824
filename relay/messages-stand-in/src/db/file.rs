//! Changes of the files: checkpoints, WAL rotation, and the replacement of the database.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{ChatDb, connect, sidecar};
use crate::{Error, schema};

/// What became of the `-wal` file when the writer opened the database again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalRotation {
    /// The `-wal` is a new file with another inode.
    NewFile,
    /// Another connection keeps the old file in place.
    HeldOpen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every commit is synced.
    Full,
    /// Writes are not synced, to build large databases fast.
    None,
}

impl ChatDb {
    pub fn set_durability(&mut self, durability: Durability) -> Result<(), Error> {
        let synchronous = match durability {
            Durability::Full => "full",
            Durability::None => "off",
        };
        Ok(self.raw().pragma_update(None, "synchronous", synchronous)?)
    }

    /// Moves the WAL's content into the database and truncates the WAL. Returns `false` if a reader in a
    /// transaction prevented that.
    pub fn checkpoint(&mut self) -> Result<bool, Error> {
        let busy: bool =
            self.connection
                .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
        Ok(!busy)
    }

    /// Closes the connection and opens another one, as when macOS's writer is killed and started again.
    /// If no other connection is open, SQLite removes the `-wal` and `-shm` files and creates new ones.
    pub fn rotate_wal(&mut self) -> Result<WalRotation, Error> {
        let wal = self.sidecar("-wal");
        // The old file stays open until the new one exists, so that the inode is not used again.
        let old = File::open(&wal).map_err(|source| file_error(&wal, source))?;
        self.disconnect()?;
        let rotation = if wal.exists() {
            WalRotation::HeldOpen
        } else {
            WalRotation::NewFile
        };
        self.connection = connect(&self.path)?;
        // SQLite creates the two files at the first access.
        self.sequence()?;
        drop(old);
        Ok(rotation)
    }

    /// Replaces the file by the database `other`, which is moved, as a restore does. Other connections keep the
    /// old file open.
    pub fn replace_with(&mut self, other: &Path) -> Result<(), Error> {
        // The WAL of `other` must be empty, as it is not moved.
        let incoming = Connection::open(other)?;
        incoming.pragma_update(None, "journal_mode", "delete")?;
        close(incoming)?;
        self.disconnect()?;
        for suffix in ["-wal", "-shm"] {
            let path = self.sidecar(suffix);
            match fs::remove_file(&path) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(file_error(&path, source));
                }
                _ => {}
            }
        }
        fs::rename(other, &self.path).map_err(|source| file_error(&self.path, source))?;
        self.connection = connect(&self.path)?;
        self.style = schema::detect(&self.connection)?;
        Ok(())
    }

    /// The path of the database with a suffix, such as that of its WAL.
    pub(super) fn sidecar(&self, suffix: &str) -> PathBuf {
        sidecar(&self.path, suffix)
    }

    fn disconnect(&mut self) -> Result<(), Error> {
        let placeholder = Connection::open_in_memory()?;
        close(std::mem::replace(&mut self.connection, placeholder))
    }
}

pub(super) fn close(connection: Connection) -> Result<(), Error> {
    connection.close().map_err(|(_, error)| error.into())
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    let path = path.to_owned();
    Error::File { path, source }
}
