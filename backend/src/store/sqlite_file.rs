//! Finds out, without changing a SQLite file, whether it is a database of this backend.
//!
//! A path may be mistyped or be that of Messages' own chat.db, and such a file must not get our tables. SQLite
//! may write to a file that it only reads: it rolls back a transaction that a crash interrupted, and it creates
//! the files of a write-ahead log. So this module first reads the header of the file by itself, and then opens
//! the file as one that cannot change.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::OpenError;
use crate::ids::random_id;

/// `PRAGMA application_id`: "Arcb".
pub(super) const APPLICATION_ID: i64 = 0x4172_6362;

/// The offset of the application id in the header of a SQLite file. Numbers have their most significant byte first.
const APPLICATION_ID_OFFSET: usize = 68;
/// The offset of the user version in the header.
const USER_VERSION_OFFSET: usize = 60;
const HEADER_BYTES: usize = 100;
/// The beginning of every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The tables that every earlier version created. Those versions set no application id.
const TABLES_OF_EARLIER_VERSIONS: [&str; 3] = ["_sqlx_migrations", "app_meta", "webhook_receipts"];

/// A file that is our database or may become it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SqliteFile {
    /// The file has no tables, or does not exist.
    Empty,
    /// A database of an earlier version, without our application id.
    Unmarked,
    /// A database with our application id.
    Ours,
}

/// Finds out whether the file is our database or may become it. Fails on a file of another program.
pub(super) async fn inspect(path: &Path) -> Result<SqliteFile, OpenError> {
    let failed = |source| OpenError::File {
        path: path.to_owned(),
        source,
    };
    let not_ours = |what| OpenError::NotOurs {
        path: path.to_owned(),
        what,
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(SqliteFile::Empty),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.is_file() => return Err(not_ours("it is not a file")),
        Ok(found) if found.len() == 0 => return Ok(SqliteFile::Empty),
        Ok(_) => {}
    }
    let mut header = Vec::with_capacity(HEADER_BYTES);
    File::open(path)
        .and_then(|file| file.take(HEADER_BYTES as u64).read_to_end(&mut header))
        .map_err(failed)?;
    let (Some(id), Some(user_version)) = (
        header_number(&header, APPLICATION_ID_OFFSET),
        header_number(&header, USER_VERSION_OFFSET),
    ) else {
        return Err(not_ours("it is not a SQLite database"));
    };
    if id != 0 {
        return classify_application_id(id)
            .ok_or_else(|| not_ours("it has the application id of another program"));
    }
    // No version of this backend has set a user version.
    if user_version != 0 {
        return Err(not_ours("it has the user version of another program"));
    }
    let log = with_ending(path, "-wal");
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let contents = match read_contents(path, OpenAs::Immutable).await {
        Ok(contents) if !contents.names.is_empty() => contents,
        Ok(_) if !has_log => return Ok(SqliteFile::Empty),
        Err(_) if !has_log => return Err(not_ours("it cannot be read as a SQLite database")),
        // A process that was killed early left all its writes in the log.
        Ok(_) | Err(_) => read_with_log(path, &log).await?,
    };
    contents
        .classify()
        .ok_or_else(|| not_ours("it has tables of another program"))
}

/// The number at `offset`; `None` if `header` is not that of a SQLite file.
fn header_number(header: &[u8], offset: usize) -> Option<i64> {
    let bytes = header.get(offset..offset + 4)?.try_into().ok()?;
    header
        .starts_with(MAGIC)
        .then(|| i64::from(u32::from_be_bytes(bytes)))
}

/// The kind of a file with this application id, which is not 0; `None` for a file of another program.
fn classify_application_id(id: i64) -> Option<SqliteFile> {
    (id == APPLICATION_ID).then_some(SqliteFile::Ours)
}

/// What SQLite reads in a file.
struct Contents {
    application_id: i64,
    /// The names of tables, indexes, views and triggers.
    names: Vec<String>,
}

impl Contents {
    /// The kind of the file; `None` for a file of another program.
    fn classify(&self) -> Option<SqliteFile> {
        let has = |name: &&str| self.names.iter().any(|existing| existing == name);
        if self.application_id != 0 {
            classify_application_id(self.application_id)
        } else if self.names.is_empty() {
            Some(SqliteFile::Empty)
        } else {
            TABLES_OF_EARLIER_VERSIONS
                .iter()
                .all(has)
                .then_some(SqliteFile::Unmarked)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OpenAs {
    /// SQLite takes no lock, reads no log and creates no file.
    Immutable,
    /// SQLite opens the file in its usual way.
    Database,
}

async fn read_contents(path: &Path, open_as: OpenAs) -> Result<Contents, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(open_as == OpenAs::Immutable)
        .immutable(open_as == OpenAs::Immutable)
        .disable_statement_logging()
        .connect()
        .await?;
    let application_id = sqlx::query_scalar("pragma application_id")
        .fetch_one(&mut connection)
        .await?;
    let names = sqlx::query_scalar("select name from sqlite_schema")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(Contents {
        application_id,
        names,
    })
}

/// Copies the file and its log, and reads the copy, since SQLite may change a file when it reads the log.
async fn read_with_log(path: &Path, log: &Path) -> Result<Contents, OpenError> {
    let name = random_id().simple();
    let folder = CopyFolder(std::env::temp_dir().join(format!("archety-{name}")));
    let copy = folder.0.join("copy.db");
    let copied = DirBuilder::new()
        .mode(0o700)
        .create(&folder.0)
        .and_then(|()| fs::copy(path, &copy))
        .and_then(|_| fs::copy(log, with_ending(&copy, "-wal")));
    copied.map_err(|source| OpenError::File {
        path: folder.0.clone(),
        source,
    })?;
    Ok(read_contents(&copy, OpenAs::Database).await?)
}

/// A folder that is removed when this value is dropped, since the copy may have people's messages.
struct CopyFolder(PathBuf);

impl Drop for CopyFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), error = %error, "a copy of the database was left behind");
        }
    }
}

/// `path` with `ending` added to the name of the file.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
