//! Opens the store: connects, migrates, and checks that the database belongs to this backend and environment.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};

use super::command_signal::CommandSignal;
use super::connection_health::{self, ACQUIRE_TIMEOUT};
use super::error::refuse;
use super::file_lock::FileLock;
use super::intake::Intake;
use super::job_signal::JobSignal;
use super::migrate::{check_migrated, migrate};
use super::pools::AccessMode;
use super::postgres::{MIGRATION_SETTINGS, SERVICE_SETTINGS, Server};
use super::sqlite_file::{APPLICATION_ID, SqliteFile, inspect};
use super::statement::Statement;
use super::{Adoption, OpenError, Pools, SchemaVersion, Store, meta, rls_bypasses, safety};
use crate::clock::Timestamp;
use crate::config::{DatabaseConfig, DatabaseKind, Environment};

/// The connections that only read the SQLite file.
const SQLITE_READERS: u32 = 4;
/// The connections to Postgres that are reserved for requests of relays and for readiness checks, so that slow requests
/// of people do not hold up messages.
const RESERVED_CONNECTIONS: u32 = 2;
/// One connection migrates, one looks for clients that hold a lock, and one is spare.
const MIGRATION_CONNECTIONS: u32 = 3;

// Not in `statements()`, because it runs before any table of ours exists. It reads the catalogue, which needs no
// privilege on the schema.
const HAS_APP_META: Statement = Statement::named("HAS_APP_META")
    .postgres(
        "select exists (select 1 from pg_tables
           where schemaname = 'public' and tablename = 'app_meta')",
    )
    .sqlite("select exists (select 1 from sqlite_schema where name = 'app_meta')");

impl Store {
    /// Opens the store for `serve`. Always migrates SQLite, and Postgres only with `MIGRATE_ON_START`.
    pub async fn open(
        config: &DatabaseConfig,
        environment: Environment,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        match &config.kind {
            DatabaseKind::Postgres { url } => {
                if config.migrate_on_start {
                    Self::migrate(config, environment, Adoption::Refused, now).await?;
                }
                let server = Server::reach(url, &config.tls, SERVICE_SETTINGS).await?;
                let size = config.connections.saturating_sub(RESERVED_CONNECTIONS);
                let pools = Pools::Postgres(server.pool(size.max(1)).await?);
                let reserved = Pools::Postgres(server.pool(RESERVED_CONNECTIONS).await?);
                check_migrated(&pools).await?;
                meta::claim_environment(&pools, environment, now).await?;
                check_safety(&pools).await?;
                Ok(Self::with_pools(pools, reserved, Some(server), None))
            }
            DatabaseKind::Sqlite { path } => {
                let (pools, lock) = connect_sqlite_locked(path).await?;
                migrate_and_claim(&pools, environment, Adoption::Refused, now).await?;
                Ok(Self::with_pools(pools.clone(), pools, None, Some(lock)))
            }
        }
    }

    /// Opens the store for a command other than `serve`. A running server may have the SQLite file open at the same
    /// time.
    pub async fn open_beside(
        config: &DatabaseConfig,
        environment: Environment,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let DatabaseKind::Sqlite { path } = &config.kind else {
            return Self::open(config, environment, now).await;
        };
        if inspect(path).await? == SqliteFile::Ours {
            let pools = connect_sqlite(path).await?;
            match check_migrated(&pools).await {
                Ok(()) => {
                    meta::claim_environment(&pools, environment, now).await?;
                    return Ok(Self::with_pools(pools.clone(), pools, None, None));
                }
                Err(OpenError::NotMigrated { .. }) => pools.close().await,
                Err(error) => return Err(error),
            }
        }
        // The file has to be created or migrated. The lock refuses both while a server has the file open.
        Self::open(config, environment, now).await
    }

    /// Migrates the database and closes it again.
    pub async fn migrate(
        config: &DatabaseConfig,
        environment: Environment,
        adoption: Adoption,
        now: Timestamp,
    ) -> Result<SchemaVersion, OpenError> {
        let (pools, _lock) = match &config.kind {
            DatabaseKind::Postgres { url } => {
                let server = Server::reach(url, &config.tls, MIGRATION_SETTINGS).await?;
                let pool = server.pool(MIGRATION_CONNECTIONS).await?;
                (Pools::Postgres(pool), None)
            }
            DatabaseKind::Sqlite { path } => {
                let (pools, lock) = connect_sqlite_locked(path).await?;
                (pools, Some(lock))
            }
        };
        let migrated = migrate_and_claim(&pools, environment, adoption, now).await;
        pools.close().await;
        migrated
    }

    fn with_pools(
        pools: Pools,
        reserved: Pools,
        server: Option<Server>,
        lock: Option<FileLock>,
    ) -> Self {
        let (job_signal, command_signal) = match &pools {
            Pools::Postgres(_) => Default::default(),
            Pools::Sqlite {
                job_signal,
                command_signal,
                ..
            } => (job_signal.clone(), command_signal.clone()),
        };
        Self {
            intake: Intake::start(&reserved),
            job_signal,
            command_signal,
            server: server.map(Arc::new),
            pools,
            reserved,
            _lock: lock.map(Arc::new),
        }
    }
}

/// Migrates the database and writes `environment` into it. Fails if the database belongs to another environment or is
/// not safe to serve.
async fn migrate_and_claim(
    pools: &Pools,
    environment: Environment,
    adoption: Adoption,
    now: Timestamp,
) -> Result<SchemaVersion, OpenError> {
    // The environment is checked before the migration as well as after, so that the database of another
    // environment is not migrated.
    if has_app_meta(pools).await? {
        meta::check_environment(pools, environment).await?;
    }
    let version = migrate(pools, adoption).await?;
    meta::claim_environment(pools, environment, now).await?;
    check_safety(pools).await?;
    Ok(version)
}

/// Fails if one person could read the rows of another. Warns of views and functions that bypass row-level security.
/// Always succeeds on SQLite.
async fn check_safety(pools: &Pools) -> Result<(), OpenError> {
    let Pools::Postgres(pool) = pools else {
        return Ok(());
    };
    let mut connection = connection_health::acquire(pool).await?;
    refuse(safety::check(&mut connection).await?, OpenError::NotSafe)?;
    for bypass in rls_bypasses::find(&mut connection).await? {
        let finding = bypass.finding();
        tracing::warn!(fix = %finding.fix.join(" "), "{}", finding.problem);
    }
    Ok(())
}

async fn has_app_meta(pools: &Pools) -> Result<bool, sqlx::Error> {
    let mut connection = pools.connection(AccessMode::Writes).await?;
    let found: Vec<(bool,)> = connection.all(HAS_APP_META, &()).await?;
    Ok(found == [(true,)])
}

/// Opens or creates the file and locks it against another `serve` or `migrate`. Fails on a file of another program,
/// which is not touched, and next to which no lock file is created.
async fn connect_sqlite_locked(path: &Path) -> Result<(Pools, FileLock), OpenError> {
    let file = inspect(path).await?;
    // Created before the lock, so that an error names the database and not the lock file.
    create_private(path).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })?;
    let lock = FileLock::take(path)?;
    let pools = connect_sqlite(path).await?;
    if file != SqliteFile::Ours
        && let Pools::Sqlite { writer, .. } = &pools
    {
        // The checkpoint writes the id into the header, where a later `inspect` reads it.
        let sql =
            format!("pragma application_id = {APPLICATION_ID}; pragma wal_checkpoint(truncate)");
        writer.execute(AssertSqlSafe(sql)).await?;
    }
    Ok((pools, lock))
}

/// Creates the file with a mode by which other users of this machine cannot read people's messages. SQLite
/// gives its other files the same mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

async fn connect_sqlite(path: &Path) -> Result<Pools, OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(
            options
                .clone()
                // A message that was acknowledged must survive a power cut. NORMAL syncs at checkpoints only.
                .synchronous(SqliteSynchronous::Full)
                .pragma("wal_autocheckpoint", "2000")
                // Deleted data of a person must not remain in free pages of the file.
                .pragma("secure_delete", "on"),
        )
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options.read_only(true));
    Ok(Pools::Sqlite {
        writer,
        readers,
        job_signal: JobSignal::default(),
        command_signal: CommandSignal::default(),
    })
}
