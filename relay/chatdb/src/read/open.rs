//! Opens the database, and finds out why opening failed.
//!
//! Only after SQLite has failed to open the file does this module open the file itself. Closing any
//! descriptor of a file drops this process's POSIX locks on it, also those of another connection, and
//! Messages would then delete a WAL that is still being read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::OpenError;
use crate::schema::Schema;

const SQLITE_HEADER: &[u8; 16] = b"SQLite format 3\0";
/// How long a read waits for a lock. In WAL mode a reader waits only for recovery and schema changes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Opens a read-only connection to the chat.db at `path`, and reads which columns exist.
pub(super) fn open(path: &Path) -> Result<(Connection, Schema), OpenError> {
    let metadata = fs::metadata(path).map_err(|error| from_io(path, &error))?;
    if !metadata.is_file() {
        return Err(damaged(path, "it is not a file"));
    }
    let (connection, schema, pages) = connect(path).map_err(|error| diagnose(path, error))?;
    if pages == 0 {
        return Err(empty(path, metadata.len()));
    }
    match schema.missing_table() {
        Some(table) => Err(OpenError::NotMessages {
            path: path.to_owned(),
            table,
        }),
        None => Ok((connection, schema)),
    }
}

/// A read-only connection, the columns of its database, and the number of its pages, which is 0 for an empty file.
fn connect(path: &Path) -> rusqlite::Result<(Connection, Schema, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Without this option SQLite compiles a statement again whenever a limit is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The capacity exceeds the number of queries, so each is compiled once.
    connection.set_prepared_statement_cache_capacity(64);
    let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let schema = Schema::probe(&connection)?;
    Ok((connection, schema, pages))
}

/// Finds the cause of an error of SQLite by reading the header of the file.
fn diagnose(path: &Path, error: rusqlite::Error) -> OpenError {
    let diagnosis = OpenError::from_sqlite(path, error);
    if !matches!(
        diagnosis,
        OpenError::Companions(_) | OpenError::NotADatabase { .. }
    ) {
        return diagnosis;
    }
    let mut header = [0; 16];
    match File::open(path).and_then(|mut file| file.read_exact(&mut header)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => empty(
            path,
            fs::metadata(path).map_or(0, |metadata| metadata.len()),
        ),
        Err(error) => from_io(path, &error),
        Ok(()) if &header != SQLITE_HEADER => damaged(path, "its header is not SQLite's"),
        Ok(()) => diagnosis,
    }
}

/// The error for a file without a readable header. Without Full Disk Access some versions of macOS show
/// the true size and no byte of the content.
fn empty(path: &Path, length: u64) -> OpenError {
    match length {
        0 => OpenError::Empty(path.to_owned()),
        1..16 => damaged(path, "it ends within its header"),
        _ => OpenError::NoPermission(path.to_owned()),
    }
}

/// The error for a failed access to the file.
fn from_io(path: &Path, error: &io::Error) -> OpenError {
    match error.kind() {
        io::ErrorKind::NotFound => OpenError::Missing(path.to_owned()),
        io::ErrorKind::PermissionDenied => OpenError::NoPermission(path.to_owned()),
        _ => damaged(path, &error.to_string()),
    }
}

fn damaged(path: &Path, detail: &str) -> OpenError {
    OpenError::NotADatabase {
        path: path.to_owned(),
        detail: detail.to_owned(),
    }
}
