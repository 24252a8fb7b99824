//! What happens to the files: checkpoints, a rotated WAL, another database in the same place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{ChatDb, connect, sidecar};
use crate::{Error, schema};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalRotation {
    /// The `-wal` is another file now, with another inode.
    NewFile,
    /// Some other connection keeps the old one in place.
    HeldOpen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Full,
    /// Not synced: for building large databases fast.
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

    /// Moves the WAL's content into the database and truncates it. Says whether that was complete:
    /// a reader in the middle of a transaction prevents it.
    pub fn checkpoint(&mut self) -> Result<bool, Error> {
        let busy: bool =
            self.connection
                .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
        Ok(!busy)
    }

    /// Closes the connection and opens another, as when macOS's writer is killed and started again.
    /// If it was the last one, the sidecar files are removed and made anew.
    pub fn rotate_wal(&mut self) -> Result<WalRotation, Error> {
        let wal = self.sidecar("-wal");
        // Held open until the new file exists, or a file system might hand out the inode again.
        let old = File::open(&wal).map_err(|source| file_error(&wal, source))?;
        self.disconnect()?;
        let rotation = if wal.exists() {
            WalRotation::HeldOpen
        } else {
            WalRotation::NewFile
        };
        self.connection = connect(&self.path)?;
        // The sidecars appear with the first access.
        self.sequence()?;
        drop(old);
        Ok(rotation)
    }

    /// Puts another database in this one's place, as a restore does: connections that are open keep
    /// the old file. `other` is moved.
    pub fn replace_with(&mut self, other: &Path) -> Result<(), Error> {
        // Into one file first: the new name has no WAL.
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
