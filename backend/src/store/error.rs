//! Errors of the store, by what the caller can do about them.

use std::sync::Arc;

use sqlx::migrate::MigrateError;

use super::connection_health;
use super::finding::{Finding, listed};

/// The reason why the store could not do what was asked. It can be cloned, because a batch that fails concerns several
/// requests.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or did not answer in time. A retry may succeed.
    #[error("the database does not answer")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// The database accepts no writes at this time.
    #[error("the database is read-only")]
    ReadOnly,
    /// Too many requests wait for the database.
    #[error("too many requests wait for the database")]
    Overloaded,
    /// The process is shutting down and accepts no new work.
    #[error("the store is closed")]
    Closed,
    /// The database refused the statement itself. A retry will fail again.
    #[error("a statement failed")]
    Statement(#[source] Arc<sqlx::Error>),
}

impl StoreError {
    /// The driver's message, for logs. The message has no values of rows: Postgres puts values into the error's
    /// details.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Unavailable(error) | Self::Statement(error) => error.to_string(),
            Self::ReadOnly | Self::Overloaded | Self::Closed => String::new(),
        }
    }

    /// Whether another row has the same unique key.
    pub(super) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Statement(error)
            if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation))
    }

    /// Whether Postgres has rolled the transaction back because of another one: a serialization failure or a deadlock.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Statement(error) if error.as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| matches!(&*code, "40001" | "40P01")))
    }

    /// Whether the connection was lost, rather than the statement refused.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Unavailable(error) if connection_health::is_lost(error))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        connection_health::note_error(&error);
        if connection_health::is_read_only(&error) {
            Self::ReadOnly
        } else if is_unavailable(&error) {
            Self::Unavailable(Arc::new(error))
        } else {
            Self::Statement(Arc::new(error))
        }
    }
}

/// Whether the database cannot be reached or cannot answer at this time.
fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // Postgres: connection errors, a server without resources, a server that shuts down, and a server that
        // refuses every connection (a password that was rotated is wrong until the next deploy).
        // SQLite, by the primary code in the low byte: busy, locked, read-only, i/o error, full disk, cannot open.
        sqlx::Error::Database(fault) => fault.code().is_some_and(|code| {
            if fault
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .is_some()
            {
                ["08", "25P03", "28", "3D", "53", "55", "57"]
                    .iter()
                    .any(|class| code.starts_with(class))
            } else {
                code.parse::<u32>()
                    .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
            }
        }),
        _ => false,
    }
}

/// The reason why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has locked the SQLite file.
    #[error("{path} is in use by another archety-backend; SQLite serves one process at a time")]
    Locked {
        /// The path of the lock file.
        path: std::path::PathBuf,
    },
    /// The folder or file of the SQLite database cannot be used.
    #[error("{path} cannot be opened")]
    File {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The driver cannot parse `DATABASE_URL`.
    #[error("DATABASE_URL is not usable; expected postgres://user:password@host/database")]
    Url,
    /// No session can be opened.
    #[error("the database at {address} cannot be used: {cause}")]
    Unreachable {
        /// Host and port, or folder of the socket and port.
        address: String,
        cause: String,
    },
    /// The server is a pooler that shares a session between clients.
    #[error(
        "{address} is a pooler in transaction mode, where a session is another one after each \
         transaction; set DATABASE_URL to the database's own address, or to a pooler in session mode \
         (Supabase: port 5432 in place of 6543; PgBouncer: pool_mode = session)"
    )]
    TransactionPooler {
        /// Host and port.
        address: String,
    },
    /// The driver failed once the database was open.
    #[error("the database cannot be opened")]
    Database(#[from] sqlx::Error),
    /// A statement failed once the database was open.
    #[error("the database cannot be opened")]
    Store(#[from] StoreError),
    /// The file belongs to another program.
    #[error(
        "{path} is not a database of archety-backend ({what}), and was left as it is; set DATABASE_URL \
         to a file of its own"
    )]
    NotOurs {
        path: std::path::PathBuf,
        /// The sign that the file belongs to another program.
        what: &'static str,
    },
    /// A requirement of the migrations is not met. Nothing was changed.
    #[error("the database is not ready to be migrated, and nothing was changed:{}", listed(.0))]
    NotReady(Vec<Finding>),
    /// Views or functions of an older deployment show its texts to other roles.
    #[error(
        "row-level security would not close these ways to the older deployment's texts, and nothing was \
         changed:{}\n  (`archety-backend migrate --adopt --secure-views` makes views read with the rights of the user who asks, \
         where the server is Postgres 15 or newer)",
        listed(.0)
    )]
    RlsBypassed(Vec<Finding>),
    /// A newer version has changed the database so that this one cannot serve on it.
    #[error("a newer version has migrated the database, and this one cannot serve on it:{}", listed(.0))]
    TooNew(Vec<String>),
    /// One person could read the rows of another.
    #[error("the database is not safe to serve:{}", listed(.0))]
    NotSafe(Vec<Finding>),
    /// Some migrations are not applied.
    #[error(
        "the database lacks {missing} migration(s): run `archety-backend migrate` first, or set MIGRATE_ON_START=1"
    )]
    NotMigrated {
        /// The number of migrations that are not applied.
        missing: usize,
    },
    /// The database has rows of an older deployment, and the command does not allow their adoption.
    #[error(
        "the database holds the older deployment's data ({rows} rows in {tables}); back it up, stop the old deployment, then run `archety-backend migrate --adopt`"
    )]
    NeedsAdoption {
        rows: i64,
        /// The names of the tables that have rows.
        tables: String,
    },
    /// Other clients use tables that a migration has to lock.
    #[error(
        "other clients are using the database{}; stop them (the older deployment first of all) and run it again",
        in_brackets(by)
    )]
    InUse {
        /// The application names of the clients, each with the number of clients. Empty if the clients have
        /// disconnected since.
        by: Vec<String>,
    },
    /// The database belongs to another environment.
    #[error(
        "this database belongs to the environment `{stored}`, but APP_ENV is `{wanted}`; check DATABASE_URL"
    )]
    OtherEnvironment {
        /// The environment in the database.
        stored: String,
        /// The environment in the configuration.
        wanted: String,
    },
    /// A migration failed and was rolled back.
    #[error("{}", migration_message(.0))]
    Migration(MigrateError),
}

/// Fails with `refusal` unless `found` is empty.
pub(super) fn refuse<T>(found: Vec<T>, refusal: fn(Vec<T>) -> OpenError) -> Result<(), OpenError> {
    if found.is_empty() {
        Ok(())
    } else {
        Err(refusal(found))
    }
}

/// The message of a failed migration, with the database's message once. The driver's own message would repeat it.
fn migration_message(error: &MigrateError) -> String {
    match error {
        MigrateError::ExecuteMigration(sqlx::Error::Database(fault), version) => {
            format!("the migration {version:04} failed: {}", fault.message())
        }
        MigrateError::Execute(sqlx::Error::Database(fault)) => {
            format!("migrating failed: {}", fault.message())
        }
        other => format!("migrating failed: {other}"),
    }
}

fn in_brackets(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!(" ({})", names.join(", "))
    }
}
