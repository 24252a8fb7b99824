//! What can go wrong with the database, by what the caller can do about it.

use std::sync::Arc;

use sqlx::migrate::MigrateError;

use super::connection_health;
use super::finding::{Finding, listed};

/// A statement did not do its work. Cloned where one failure is many requests' own.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or did not answer in time. Trying again may help.
    #[error("the database does not answer")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// The database takes no writes at this time.
    #[error("the database is read-only")]
    ReadOnly,
    /// More requests wait for the database than it can serve soon.
    #[error("too many requests wait for the database")]
    Overloaded,
    /// The process is going down and takes nothing new.
    #[error("the store is closed")]
    Closed,
    /// The statement itself is at fault; trying again will not help.
    #[error("a statement failed")]
    Statement(#[source] Arc<sqlx::Error>),
}

impl StoreError {
    /// What the driver said, without values: Postgres repeats rows in its details, not in its message.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Unavailable(error) | Self::Statement(error) => error.to_string(),
            Self::ReadOnly | Self::Overloaded | Self::Closed => String::new(),
        }
    }

    /// Whether a row with the same unique key is there already.
    pub(super) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Statement(error)
            if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation))
    }

    /// Whether the connection was gone, rather than the statement refused.
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

fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // Postgres: connection trouble, a server that is out of something, one that goes down, one that
        // refuses every connection (a wrong password after a rotation mends itself with the next deploy).
        // SQLite: busy, locked, i/o error, full disk, cannot open.
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

/// The store cannot be opened, or not by this process.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the SQLite file.
    #[error("{path} is in use by another archety-backend; SQLite serves one process at a time")]
    Locked {
        /// The lock file.
        path: std::path::PathBuf,
    },
    /// The folder or file of the SQLite database cannot be used.
    #[error("{path} cannot be opened")]
    File {
        /// What could not be opened or created.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// `DATABASE_URL` cannot be understood by the driver.
    #[error("DATABASE_URL is not usable; expected postgres://user:password@host/database")]
    Url,
    /// No session can be had.
    #[error("the database at {address} cannot be used: {cause}")]
    Unreachable {
        /// Host and port, or folder of the socket and port.
        address: String,
        /// Why, in the words of the server that refused.
        cause: String,
    },
    /// A session there is not ours alone.
    #[error(
        "{address} is a pooler in transaction mode, where a session is another one after each \
         transaction; set DATABASE_URL to the database's own address, or to a pooler in session mode \
         (Supabase: port 5432 in place of 6543; PgBouncer: pool_mode = session)"
    )]
    TransactionPooler {
        /// Host and port.
        address: String,
    },
    /// Something went wrong once the database was open.
    #[error("the database cannot be opened")]
    Database(#[from] sqlx::Error),
    /// A statement went wrong once the database was open.
    #[error("the database cannot be opened")]
    Store(#[from] StoreError),
    /// The file of the SQLite database is another program's.
    #[error(
        "{path} is not a database of archety-backend ({what}), and was left as it is; set DATABASE_URL \
         to a file of its own"
    )]
    NotOurs {
        /// The file.
        path: std::path::PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// What migrating needs is not there. Nothing was changed.
    #[error("the database is not ready to be migrated, and nothing was changed:{}", listed(.0))]
    NotReady(Vec<Finding>),
    /// What an older deployment left shows its texts to other roles.
    #[error(
        "row-level security would not close these ways to the older deployment's texts, and nothing was \
         changed:{}\n  (`archety-backend migrate --adopt --secure-views` makes views read as whoever asks, \
         where the server is Postgres 15 or newer)",
        listed(.0)
    )]
    OpenDoors(Vec<Finding>),
    /// A newer version has changed the database too much.
    #[error("a newer version has migrated the database, and this one cannot serve on it:{}", listed(.0))]
    TooNew(Vec<String>),
    /// People's rows are not kept apart as they must be.
    #[error("the database is not safe to serve:{}", listed(.0))]
    NotSafe(Vec<Finding>),
    /// Migrations are missing.
    #[error(
        "the database lacks {missing} migration(s): run `archety-backend migrate` first, or set MIGRATE_ON_START=1"
    )]
    NotMigrated {
        /// How many.
        missing: usize,
    },
    /// An older deployment's rows are there, and no command has said that they may be adopted.
    #[error(
        "the database holds the older deployment's data ({rows} rows in {tables}); back it up, stop the old deployment, then run `archety-backend migrate --adopt`"
    )]
    NeedsAdoption {
        /// Rows found.
        rows: i64,
        /// Where.
        tables: String,
    },
    /// Other clients have tables that a migration needs for itself.
    #[error(
        "other clients are using the database{}; stop them (the older deployment first of all) and run it again",
        in_brackets(by)
    )]
    InUse {
        /// The names that their sessions gave themselves, with how many of each; empty if they are gone.
        by: Vec<String>,
    },
    /// The database belongs to another environment.
    #[error(
        "this database belongs to the environment `{stored}`, but APP_ENV is `{wanted}`; check DATABASE_URL"
    )]
    OtherEnvironment {
        /// What the database says.
        stored: String,
        /// What the configuration says.
        wanted: String,
    },
    /// A migration failed; the transaction around it was rolled back.
    #[error("{}", of_migration(.0))]
    Migration(MigrateError),
}

/// Fails if there is anything in `found`.
pub(super) fn refuse<T>(found: Vec<T>, refusal: fn(Vec<T>) -> OpenError) -> Result<(), OpenError> {
    if found.is_empty() {
        Ok(())
    } else {
        Err(refusal(found))
    }
}

/// Each fault once: the driver's words repeat those of their sources.
fn of_migration(error: &MigrateError) -> String {
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
