//! Whose SQLite file this is, found out without touching it.
//!
//! A path that is mistyped, or names Messages' own chat.db, must not get our tables. SQLite itself writes
//! when it only reads: it rolls back what a crash left, and makes files for a write-ahead log. So the
//! first look is at the file's header, and the second one as at a file that cannot change.

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

/// Where the header of a SQLite file has numbers, most significant byte first.
const ID_AT: usize = 68;
const USER_VERSION_AT: usize = 60;
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";

/// What earlier versions wrote, which set no application id.
const EARLIER: [&str; 3] = ["_sqlx_migrations", "app_meta", "webhook_receipts"];

/// A file that may become, or is, our database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SqliteFile {
    /// Nothing is in it, or it does not exist.
    Empty,
    /// An earlier version's, without our application id.
    Unmarked,
    /// Ours.
    Ours,
}

/// Refuses a file of another program.
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
    let (Some(id), Some(user_version)) = (number(&header, ID_AT), number(&header, USER_VERSION_AT))
    else {
        return Err(not_ours("it is not a SQLite database"));
    };
    if id != 0 {
        return of_id(id).ok_or_else(|| not_ours("it has the application id of another program"));
    }
    // No version of ours counts there.
    if user_version != 0 {
        return Err(not_ours("it has the user version of another program"));
    }
    let log = beside(path, "-wal");
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    match look(path, Look::AsItStands).await {
        Ok(seen) if !seen.names.is_empty() => seen
            .verdict()
            .ok_or_else(|| not_ours("it has tables of another program")),
        Ok(_) if !has_log => Ok(SqliteFile::Empty),
        Err(_) if !has_log => Err(not_ours("it cannot be read as a SQLite database")),
        // A process that was killed early has left everything in the log.
        Ok(_) | Err(_) => look_with_log(path, &log)
            .await?
            .verdict()
            .ok_or_else(|| not_ours("it has tables of another program")),
    }
}

/// A number of the header, if it is one.
fn number(header: &[u8], at: usize) -> Option<i64> {
    let bytes = header.get(at..at + 4)?.try_into().ok()?;
    header
        .starts_with(MAGIC)
        .then(|| i64::from(u32::from_be_bytes(bytes)))
}

fn of_id(id: i64) -> Option<SqliteFile> {
    (id == APPLICATION_ID).then_some(SqliteFile::Ours)
}

struct Seen {
    id: i64,
    /// Tables and whatever else there is.
    names: Vec<String>,
}

impl Seen {
    fn verdict(&self) -> Option<SqliteFile> {
        let has = |name: &&str| self.names.iter().any(|there| there == name);
        if self.id != 0 {
            of_id(self.id)
        } else if self.names.is_empty() {
            Some(SqliteFile::Empty)
        } else {
            EARLIER.iter().all(has).then_some(SqliteFile::Unmarked)
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Nothing is locked, no log is read, no file is made.
    AsItStands,
    /// As SQLite opens its databases.
    AsUsual,
}

async fn look(path: &Path, how: Look) -> Result<Seen, sqlx::Error> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .read_only(how == Look::AsItStands)
        .immutable(how == Look::AsItStands)
        .disable_statement_logging()
        .connect()
        .await?;
    let id = sqlx::query_scalar("pragma application_id")
        .fetch_one(&mut connection)
        .await?;
    let names = sqlx::query_scalar("select name from sqlite_schema")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(Seen { id, names })
}

/// Looks at a copy, which SQLite may bring in order as it likes.
async fn look_with_log(path: &Path, log: &Path) -> Result<Seen, OpenError> {
    let name = random_id().simple();
    let folder = CopyFolder(std::env::temp_dir().join(format!("archety-{name}")));
    let copy = folder.0.join("copy.db");
    let copied = DirBuilder::new()
        .mode(0o700)
        .create(&folder.0)
        .and_then(|()| fs::copy(path, &copy))
        .and_then(|_| fs::copy(log, beside(&copy, "-wal")));
    copied.map_err(|source| OpenError::File {
        path: folder.0.clone(),
        source,
    })?;
    Ok(look(&copy, Look::AsUsual).await?)
}

/// Gone with this value, since people's messages may be in it.
struct CopyFolder(PathBuf);

impl Drop for CopyFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), error = %error, "a copy of the database was left behind");
        }
    }
}

/// The file whose name is that of `path` and `ending`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
