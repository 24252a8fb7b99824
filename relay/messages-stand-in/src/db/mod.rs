//! A writer for chat.db that keeps the database open in WAL mode, as macOS does.
//!
//! Each SQL statement is a commit of its own, because Messages also writes a message in several commits.
//! [`ChatDb::atomically`] makes one commit of several calls. Guids are derived from a seed and the caller passes
//! all times, so that the same calls build the same database. The module does not check whether Messages
//! would write such rows.

mod attachment;
mod balloon;
mod change;
mod chat;
mod edit;
mod file;
mod message;
mod rebuild;
mod tapback;

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params};

pub(crate) use chat::{account, group_identifier};
pub use file::{Durability, WalRotation};
pub use message::{Body, NewMessage};

use crate::{DateUnit, Error, Guids, Style, schema};

#[derive(Debug)]
pub struct ChatDb {
    connection: Connection,
    path: PathBuf,
    style: Style,
    /// The source of guids for rows whose caller gives none.
    guids: Guids,
    /// The unit in which dates of messages are written.
    dates: DateUnit,
    own_address: String,
}

/// The own address of a fresh database.
const DEFAULT_OWN_ADDRESS: &str = "+15550009999";

impl ChatDb {
    pub fn create(path: impl AsRef<Path>, style: Style) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.exists() {
            return Err(Error::Exists(path.to_owned()));
        }
        let leftover = ["-wal", "-shm", "-journal"].map(|suffix| sidecar(path, suffix));
        if let Some(leftover) = leftover.into_iter().find(|path| path.exists()) {
            return Err(Error::Leftover(leftover));
        }
        let mut connection = connect(path)?;
        // An empty database can be written without syncing.
        connection.pragma_update(None, "synchronous", "off")?;
        let transaction = connection.transaction()?;
        for statement in schema::statements(style) {
            transaction.execute_batch(&statement)?;
        }
        transaction.execute(
            "insert into _SqliteDatabaseProperties (key, value) values ('_ClientVersion', ?1)",
            [client_version(style)],
        )?;
        transaction.commit()?;
        connection.pragma_update(None, "synchronous", "full")?;
        Ok(Self::with_connection(
            connection,
            path,
            style,
            Guids::new(1),
        ))
    }

    /// Opens an existing database. The style is found by its columns.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if !path.exists() {
            let source = std::io::ErrorKind::NotFound.into();
            let path = path.to_owned();
            return Err(Error::File { path, source });
        }
        require_message_table(path)?;
        let connection = connect(path)?;
        let style = schema::detect(&connection)?;
        // The newest message is the seed, so that guids of an earlier session are not repeated.
        let newest: String = connection.query_row(
            "select coalesce((select seq from sqlite_sequence where name = 'message'), 0)
                    || coalesce((select guid from message order by ROWID desc limit 1), '')",
            [],
            |row| row.get(0),
        )?;
        Ok(Self::with_connection(
            connection,
            path,
            style,
            Guids::from_text(&newest),
        ))
    }

    fn with_connection(connection: Connection, path: &Path, style: Style, guids: Guids) -> Self {
        Self {
            connection,
            path: path.to_owned(),
            style,
            guids,
            dates: DateUnit::default(),
            own_address: DEFAULT_OWN_ADDRESS.to_owned(),
        }
    }

    /// Sets the seed of guids. Databases with different seeds have no guid in common.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.guids = Guids::new(seed);
        self
    }

    pub fn set_date_unit(&mut self, unit: DateUnit) {
        self.dates = unit;
    }

    #[must_use]
    pub fn with_own_address(mut self, own_address: impl Into<String>) -> Self {
        self.own_address = own_address.into();
        self
    }

    pub fn style(&self) -> Style {
        self.style
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn own_address(&self) -> &str {
        &self.own_address
    }

    /// The connection, for changes that this crate has no method for.
    pub fn raw(&self) -> &Connection {
        &self.connection
    }

    /// Runs several writes as one commit. An error rolls all of them back.
    pub fn atomically<T>(
        &mut self,
        writes: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.raw().execute_batch("begin immediate")?;
        let result = writes(self);
        let end = if result.is_ok() { "commit" } else { "rollback" };
        self.raw().execute_batch(end)?;
        result
    }

    /// The highest ROWID that `message` ever had.
    pub fn sequence(&self) -> Result<i64, Error> {
        let sequence = self.connection.query_row(
            "select coalesce(max(seq), 0) from sqlite_sequence where name = 'message'",
            [],
            |row| row.get(0),
        )?;
        Ok(sequence)
    }

    pub fn next_guid(&mut self) -> String {
        self.guids.next_guid()
    }

    /// Overwrites one column of a row. A column that the style lacks is an error.
    pub(crate) fn set_value(
        &mut self,
        table: &'static str,
        rowid: i64,
        column: &str,
        value: impl ToSql,
    ) -> Result<(), Error> {
        if !schema::columns(self.style, table).contains(&column) {
            let column = column.to_owned();
            return Err(Error::UnknownColumn { table, column });
        }
        let sql = format!("update {table} set {column} = ?1 where ROWID = ?2");
        match self.raw().execute(&sql, params![value, rowid])? {
            0 => Err(Error::NoRow { table, rowid }),
            _ => Ok(()),
        }
    }

    /// Fails if the database has an older style than `since`, the first with `what`.
    fn requires(&self, since: Style, what: &'static str) -> Result<(), Error> {
        if self.style < since {
            let style = self.style;
            return Err(Error::Unsupported { style, what });
        }
        Ok(())
    }
}

/// Fails if the file is no chat.db. This is checked read-only, because opening an empty file for writing
/// would turn it into a database.
fn require_message_table(path: &Path) -> Result<(), Error> {
    let has_messages = || {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let sql = "select exists (select 1 from sqlite_schema where name = 'message')";
        connection.query_row(sql, [], |row| row.get(0))
    };
    match has_messages() {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::NotMessages(path.to_owned())),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(Error::NotMessages(path.to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The path with `suffix` appended, such as `-wal`.
fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.to_owned().into_os_string();
    path.push(suffix);
    path.into()
}

/// Opens the database for writing in WAL mode, and creates the file if it is missing.
fn connect(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // The cascading deletes of the join tables depend on this setting.
    connection.pragma_update(None, "foreign_keys", "on")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The value of `_ClientVersion`. 19602 is the value of macOS 26. The others are invented and ascending.
fn client_version(style: Style) -> &'static str {
    match style {
        Style::Monterey => "16100",
        Style::Ventura => "17100",
        Style::Sequoia => "18500",
        Style::Tahoe => "19602",
        Style::Macos27 => "20100",
    }
}
