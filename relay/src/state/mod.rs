//! The relay's own SQLite file: cursor, waiting rows, outbox, quarantine, ledger of replies.
//!
//! A process has two writing connections and one reading one, so that the sender's reads never wait for a
//! long scan. Every write is one `begin immediate` transaction. [`State::write`] has `synchronous` NORMAL: a power
//! cut may remove the last transactions from the WAL, and the relay then reads their rows from chat.db again. What
//! a power cut must not undo, above all that a bubble was passed to Messages, is written by
//! [`State::write_durably`]. Both write the same file, so one transaction can read and change all tables.
//! Commands of the owner open the same file while the relay runs ([`State::open_beside`]).
//!
//! This module opens, migrates and locks the file. Each module of a table has all statements on that table.

pub mod connectivity;
mod error;
pub(crate) mod files;
pub mod filtered;
pub mod group_name;
mod installation;
pub mod ledger;
mod lock;
pub mod meta;
pub mod outbox;
pub mod own_addresses;
pub mod quarantine;
mod query;
pub mod read_position;
pub mod seen;
mod steps;
pub mod waiting;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::clock::UnixMicros;
pub use error::StateError;
use error::inaccessible;
use lock::InstanceLock;

/// Name of the file within the state's folder.
pub const STATE_FILE: &str = "state.db";

/// The entry at index `n` takes a state from `user_version` n to n + 1. A relay with fewer entries refuses to open
/// such a state. A change that only adds something is a step instead ([`steps`]). A released entry is never edited.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// `PRAGMA application_id` of a state: "Arch". It distinguishes a state from the database of another program.
const APPLICATION_ID: i64 = 0x4172_6368;

/// How long a transaction waits for another connection's write lock: longer than any transaction of the relay
/// or of a command of the owner takes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The two connections that write. They share a lock, so that within the process a transaction of one waits for
/// one of the other at once, and not in SQLite's sleeps.
struct Writers {
    /// `synchronous` is NORMAL.
    normal: Connection,
    /// `synchronous` is FULL: a commit returns once it is on the disk.
    durable: Connection,
}

/// The opened state.
pub struct State {
    dir: PathBuf,
    writers: Mutex<Writers>,
    reader: Mutex<Connection>,
    /// Keeps a second relay off the state; `None` in a command of the owner.
    _lock: Option<InstanceLock>,
}

impl State {
    /// Opens the state in `dir` for the one relay that may run on it, and keeps the lock against a second one.
    /// Creates the state if there is none; `now` becomes the time of its creation.
    pub fn open(dir: &Path, now: UnixMicros) -> Result<Self, StateError> {
        files::private_dir(dir).map_err(inaccessible(dir))?;
        let lock = InstanceLock::acquire(dir)?;
        let path = dir.join(STATE_FILE);
        files::open_private(&path).map_err(inaccessible(&path))?;
        let mut writer = connect(&path)?;
        migrate(&mut writer, &path, now)?;
        Self::with_connections(dir, writer, Some(lock))
    }

    /// Opens an existing state for a command of the owner, even while the relay runs.
    pub fn open_beside(dir: &Path) -> Result<Self, StateError> {
        let path = dir.join(STATE_FILE);
        let missing = || StateError::Missing {
            dir: dir.to_owned(),
        };
        // This fails in a folder of another user, whose files cannot even be listed.
        if !path.try_exists().map_err(inaccessible(&path))? {
            return Err(missing());
        }
        let mut writer = connect(&path)?;
        let versions = check_versions(&writer, &path)?;
        if versions.user_version < base_version() {
            // Only the relay migrates, because it may be of an earlier release than this command and could not
            // use the migrated state.
            return Err(missing());
        }
        // A relay of an earlier release can use a state with more steps than it knows, so the owner need not
        // restart it for this command.
        if versions.with_steps < known_version() {
            let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            apply_steps(&tx)?;
            tx.commit()?;
        }
        Self::with_connections(dir, writer, None)
    }

    fn with_connections(
        dir: &Path,
        writer: Connection,
        lock: Option<InstanceLock>,
    ) -> Result<Self, StateError> {
        let path = dir.join(STATE_FILE);
        let while_opening = |e| error::while_opening(&path, e);
        let durable = connect(&path)?;
        make_durable(&durable).map_err(while_opening)?;
        let reader = connect(&path)?;
        reader
            .pragma_update(None, "query_only", true)
            .map_err(while_opening)?;
        Ok(Self {
            dir: dir.to_owned(),
            writers: Mutex::new(Writers {
                normal: writer,
                durable,
            }),
            reader: Mutex::new(reader),
            _lock: lock,
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether a relay runs on the state in `dir`.
    pub fn relay_runs(dir: &Path) -> bool {
        dir.join(STATE_FILE).exists() && InstanceLock::is_held(dir)
    }

    /// Runs `work` in one transaction that holds the write lock from its start, and commits it if
    /// `work` succeeds. After an error nothing was written.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        transact(&mut lock_mutex(&self.writers).normal, work)
    }

    /// As [`write`](Self::write), but returns only once the commit is on the disk, and with it every earlier one.
    /// It takes several milliseconds.
    pub fn write_durably<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut writers = lock_mutex(&self.writers);
        let (value, renaming) = transact(&mut writers.durable, |tx| {
            Ok((work(tx)?, installation::count_write(tx, &self.dir)?))
        })?;
        if let Some(renaming) = renaming {
            renaming.apply(&self.dir);
        }
        Ok(value)
    }

    /// Runs `work` on one consistent view of the state, without waiting for a writer.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let connection = lock_mutex(&self.reader);
        let tx = connection.unchecked_transaction()?;
        Ok(work(&tx)?)
    }

    /// A number that changes with each commit of another process or of this one.
    pub fn data_version(&self) -> Result<i64, StateError> {
        let connection = lock_mutex(&self.reader);
        Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Moves the WAL's content into the file, so that after a clean exit the file alone is the whole state.
    pub fn checkpoint(&self) -> Result<(), StateError> {
        let writers = lock_mutex(&self.writers);
        writers
            .normal
            .query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
        Ok(())
    }
}

/// Locks a connection. A lock that a panic has poisoned is taken as well, because the panic has rolled its
/// transaction back.
fn lock_mutex<T>(connection: &Mutex<T>) -> MutexGuard<'_, T> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` in a transaction of `connection`.
fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> Result<T, StateError> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&tx)?;
    tx.commit()?;
    Ok(value)
}

/// Makes each commit of `connection` wait for the disk. On macOS `fsync` leaves the data in the disk's own cache,
/// which `fullfsync` empties; other systems ignore these two settings.
fn make_durable(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)
}

fn connect(path: &Path) -> Result<Connection, StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // The WAL file is cut to 8 MiB after a burst, and the page cache takes at most 1 MiB.
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

/// The versions of a state that this release can open.
struct Versions {
    /// 0 for an empty file.
    user_version: i64,
    /// `user_version` plus the number of steps that were applied.
    with_steps: i64,
}

/// Reads the versions of the state that `connection` has opened. Returns an error for the database of another
/// program and for a state that needs a newer release.
fn check_versions(connection: &Connection, path: &Path) -> Result<Versions, StateError> {
    let while_opening = |e| error::while_opening(path, e);
    let pragma = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(while_opening)
    };
    let user_version = pragma("user_version")?;
    let application_id = pragma("application_id")?;
    // This query also reads the schema's pages, so it fails for a file that was cut off.
    let tables: i64 = connection
        .query_row("select count(*) from sqlite_schema", [], |row| row.get(0))
        .map_err(while_opening)?;
    // An empty file has no application id yet.
    if application_id != APPLICATION_ID && (application_id != 0 || tables > 0) {
        return Err(StateError::Foreign {
            path: path.to_owned(),
        });
    }
    let newer = |needed| StateError::Newer {
        path: path.to_owned(),
        needed,
        known: known_version(),
    };
    if user_version > base_version() {
        return Err(newer(user_version));
    }
    let applied = steps::applied(connection, base_version()).map_err(while_opening)?;
    if applied.oldest_reader > known_version() {
        return Err(newer(applied.oldest_reader));
    }
    Ok(Versions {
        user_version,
        with_steps: applied.version,
    })
}

fn migrate(connection: &mut Connection, path: &Path, now: UnixMicros) -> Result<(), StateError> {
    let found = check_versions(connection, path)?.user_version;
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
    // This runs at every start, not only after a migration: an earlier release, which does not list filtered
    // messages, may have run since the last one.
    apply_steps(&tx)?;
    tx.commit()?;
    Ok(())
}

/// Applies the missing steps, and lists the filtered messages that an earlier release skipped.
fn apply_steps(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    steps::apply(tx, base_version())?;
    filtered::list_skipped(tx)
}

#[cfg(test)]
mod tests;
