//! The relay's own SQLite file: cursor, waiting set, outbox, quarantine.
//!
//! One writing and one reading connection per process, so that the sender's reads never stand behind
//! a long scan. Every write is one `begin immediate` transaction: it happened whole or not at all.
//! `synchronous` is NORMAL, since whatever a power cut takes from the end of the WAL can be read from
//! chat.db again. Owner commands open the same file beside a running relay ([`State::open_beside`]).
//!
//! The tables' meaning lies in the modules of this folder; this one owns opening, versions and locks.

pub mod contact;
mod error;
pub(crate) mod files;
pub mod filtered;
mod lock;
pub mod meta;
pub mod outbox;
pub mod own_addresses;
pub mod quarantine;
pub mod seen;
pub mod source;
mod steps;
pub mod told_group;
pub mod waiting;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::clock::UnixMicros;
pub use error::StateError;
use lock::InstanceLock;

/// Name of the file within the state's folder.
pub const STATE_FILE: &str = "state.db";

/// Each entry takes `user_version` from `index` to `index + 1`; an older relay refuses what comes out.
/// A change that only adds something is a step instead ([`steps`]). An applied one is never edited.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// `PRAGMA application_id`: "Arch", so that no other program's database is taken for a state.
const APPLICATION_ID: i64 = 0x4172_6368;

/// Longer than any commit of ours; the owner's command and the relay share the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The relay's state.
pub struct State {
    dir: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    _lock: Option<InstanceLock>,
}

impl State {
    /// Opens the state in `dir` for the one relay that runs on it, making it if there is none.
    pub fn open(dir: &Path, now: UnixMicros) -> Result<Self, StateError> {
        files::private_dir(dir).map_err(|source| StateError::Inaccessible {
            path: dir.to_owned(),
            source,
        })?;
        let lock = InstanceLock::acquire(dir)?;
        let path = dir.join(STATE_FILE);
        create_private(&path)?;
        let mut writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        migrate(&mut writer, &path, now)?;
        Self::with_connections(dir, &path, writer, Some(lock))
    }

    /// Opens an existing state for one of the owner's commands, beside the relay if it runs.
    pub fn open_beside(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join(STATE_FILE);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => {
                return Err(StateError::Missing {
                    dir: dir.to_owned(),
                });
            }
            // A folder of another user, whose files cannot even be seen.
            Err(source) => return Err(StateError::Inaccessible { path, source }),
        }
        let mut writer = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let found = user_version(&writer, &path)?;
        if found < base_version() {
            // The relay migrates, commands don't: they may be of another version than the relay.
            return Err(StateError::Missing {
                dir: dir.to_owned(),
            });
        }
        check_version(&writer, &path, found)?;
        // A relay that was replaced on disk may still run as it was before. What it lacks is additive:
        // it works on beside it, and the owner need not restart it to be answered.
        if steps_missing(&writer, &path)? {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            steps::apply(&tx, base_version())?;
            filtered::list_skipped(&tx)?;
            tx.commit()?;
        }
        Self::with_connections(dir, &path, writer, None)
    }

    fn with_connections(
        dir: &Path,
        path: &Path,
        writer: Connection,
        lock: Option<InstanceLock>,
    ) -> Result<Self, StateError> {
        let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        reader
            .pragma_update(None, "query_only", true)
            .map_err(|e| error::while_opening(path, e))?;
        Ok(Self {
            dir: dir.to_owned(),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            _lock: lock,
        })
    }

    /// Names the file that holds the state, not its path: a copy of it has another name.
    pub fn file_id(&self) -> Result<String, StateError> {
        let path = self.dir.join(STATE_FILE);
        match std::fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.ino().to_string()),
            Err(source) => Err(StateError::Inaccessible { path, source }),
        }
    }

    /// The folder that holds the state.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a relay runs on the state in `dir`.
    pub fn relay_runs(dir: &Path) -> bool {
        dir.join(STATE_FILE).exists() && InstanceLock::is_held(dir)
    }

    /// Runs `work` in one transaction that holds the write lock from its start, and commits it if
    /// `work` succeeds. On any error nothing has happened.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut connection = hold(&self.writer);
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    /// Runs `work` on one consistent view of the state; it waits for no writer.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let connection = hold(&self.reader);
        let tx = connection.unchecked_transaction()?;
        Ok(work(&tx)?)
    }

    /// A number that changes with each commit of another connection to the state.
    pub fn data_version(&self) -> Result<i64, StateError> {
        let connection = hold(&self.reader);
        Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Folds the WAL into the file: at a clean end, so that the file alone is the whole state.
    pub fn checkpoint(&self) -> Result<(), StateError> {
        let connection = hold(&self.writer);
        connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// A panic in one transaction rolled it back; the connection behind the lock is sound.
fn hold(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

fn create_private(path: &Path) -> Result<(), StateError> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(false).write(true);
    files::private_file(&mut options)
        .open(path)
        .map(|_| ())
        .map_err(|source| StateError::Inaccessible {
            path: path.to_owned(),
            source,
        })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StateError> {
    let open = || {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // Bounds the WAL file after a burst, and the page cache of an idle relay.
        connection.pragma_update(None, "journal_size_limit", 8 * 1024 * 1024)?;
        connection.pragma_update(None, "cache_size", -1024)?;
        // Without this SQLite parses a statement anew at each execution that binds a limit.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(96);
        Ok(connection)
    };
    open().map_err(|e| error::while_opening(path, e))
}

/// `user_version` of every state that this release writes.
fn base_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("a handful of migrations")
}

/// The version of a state with every step that this release knows.
fn known_version() -> i64 {
    base_version() + steps::count()
}

/// Refuses a state that this release may not open.
fn check_version(connection: &Connection, path: &Path, found: i64) -> Result<(), StateError> {
    if found > base_version() {
        return Err(newer(path, found));
    }
    let applied = applied_steps(connection, path)?;
    if applied.oldest > known_version() {
        return Err(newer(path, applied.oldest));
    }
    Ok(())
}

fn steps_missing(connection: &Connection, path: &Path) -> Result<bool, StateError> {
    Ok(applied_steps(connection, path)?.version < known_version())
}

fn applied_steps(connection: &Connection, path: &Path) -> Result<steps::Applied, StateError> {
    steps::applied(connection, base_version()).map_err(|e| error::while_opening(path, e))
}

fn newer(path: &Path, found: i64) -> StateError {
    StateError::Newer {
        path: path.to_owned(),
        found,
        known: known_version(),
    }
}

fn pragma(connection: &Connection, path: &Path, name: &str) -> Result<i64, StateError> {
    connection
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(|e| error::while_opening(path, e))
}

/// The `user_version` of the state behind `connection`: 0 for an empty file.
fn user_version(connection: &Connection, path: &Path) -> Result<i64, StateError> {
    let found = pragma(connection, path, "user_version")?;
    let owner = pragma(connection, path, "application_id")?;
    // Reads the first table page too, which finds a file that was cut off.
    let tables: i64 = connection
        .query_row("select count(*) from sqlite_schema", [], |row| row.get(0))
        .map_err(|e| error::while_opening(path, e))?;
    if owner != APPLICATION_ID && (owner != 0 || tables > 0) {
        return Err(StateError::Foreign {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection, path: &Path, now: UnixMicros) -> Result<(), StateError> {
    let found = user_version(connection, path)?;
    check_version(connection, path, found)?;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = usize::try_from(found).unwrap_or(0);
    for sql in MIGRATIONS.iter().skip(done) {
        tx.execute_batch(sql)?;
    }
    if found < base_version() {
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", base_version())?;
    }
    if found == 0 {
        meta::set(&tx, meta::CREATED_AT, &now.as_micros().to_string())?;
    }
    steps::apply(&tx, base_version())?;
    // At every start: the release before, which lists nothing, may have run meanwhile.
    filtered::list_skipped(&tx)?;
    tx.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
