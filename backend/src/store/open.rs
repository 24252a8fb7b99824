//! Opening the store: connections, migrations, and the check that it is the right database.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor, PgPool};

use super::connection_health::{self, ACQUIRE_TIMEOUT};
use super::error::refuse;
use super::file_lock::FileLock;
use super::intake::Intake;
use super::job_signal::JobSignal;
use super::migrate::{check_migrated, migrate};
use super::postgres::{MIGRATING, SERVING, Server};
use super::sqlite_file::{APPLICATION_ID, SqliteFile, inspect};
use super::{Adoption, OpenError, Pools, SchemaVersion, Store, doors, meta, safety};
use crate::clock::Timestamp;
use crate::config::{DatabaseConfig, DatabaseKind, Environment};

const SQLITE_READERS: u32 = 4;
/// Of the connections to Postgres, those that intake and readiness have to themselves: requests of
/// people that are slow keep no message out.
const RESERVED: u32 = 2;
/// Migrating, looking who is in the way, and one to spare.
const TO_MIGRATE: u32 = 3;

/// What a store runs on.
struct Connections {
    pools: Pools,
    reserved: Pools,
    listens_at: Option<Arc<Server>>,
}

impl Connections {
    fn of_sqlite(pools: Pools) -> Self {
        Self {
            reserved: pools.clone(),
            pools,
            listens_at: None,
        }
    }
}

impl Store {
    /// Opens the store for `serve`. SQLite is migrated, Postgres only if the configuration says so.
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
                let server = Server::reach(url, &config.tls, SERVING).await?;
                let connections = connect_postgres(server, config.connections).await?;
                check_migrated(&connections.pools).await?;
                meta::claim_environment(&connections.pools, environment, now).await?;
                check_safety(&connections.pools).await?;
                Ok(Self::on(connections, None))
            }
            DatabaseKind::Sqlite { path } => {
                let (pools, lock) = connect_sqlite_alone(path).await?;
                migrate_and_claim(&pools, environment, Adoption::Refused, now).await?;
                Ok(Self::on(Connections::of_sqlite(pools), Some(lock)))
            }
        }
    }

    /// Opens the store for one command. On SQLite it may stand beside a running server.
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
                    return Ok(Self::on(Connections::of_sqlite(pools), None));
                }
                Err(OpenError::NotMigrated { .. }) => pools.close().await,
                Err(error) => return Err(error),
            }
        }
        // No backend serves on it, or an earlier version that has to stop before this one changes anything.
        Self::open(config, environment, now).await
    }

    /// Migrates and closes.
    pub async fn migrate(
        config: &DatabaseConfig,
        environment: Environment,
        adoption: Adoption,
        now: Timestamp,
    ) -> Result<SchemaVersion, OpenError> {
        let (pools, _lock) = match &config.kind {
            DatabaseKind::Postgres { url } => {
                let server = Server::reach(url, &config.tls, MIGRATING).await?;
                (Pools::Postgres(server.pool(TO_MIGRATE).await?), None)
            }
            DatabaseKind::Sqlite { path } => {
                let (pools, lock) = connect_sqlite_alone(path).await?;
                (pools, Some(lock))
            }
        };
        let done = migrate_and_claim(&pools, environment, adoption, now).await;
        pools.close().await;
        done
    }

    fn on(connections: Connections, lock: Option<FileLock>) -> Self {
        Self {
            intake: Intake::start(&connections.reserved),
            job_signal: match &connections.pools {
                Pools::Postgres(_) => JobSignal::default(),
                Pools::Sqlite { job_signal, .. } => job_signal.clone(),
            },
            listens_at: connections.listens_at,
            pools: connections.pools,
            reserved: connections.reserved,
            _lock: lock.map(Arc::new),
        }
    }
}

async fn migrate_and_claim(
    pools: &Pools,
    environment: Environment,
    adoption: Adoption,
    now: Timestamp,
) -> Result<SchemaVersion, OpenError> {
    // Asked before as well as after: the schema of another environment's database stays untouched.
    if is_ours(pools).await? {
        meta::check_environment(pools, environment).await?;
    }
    let version = migrate(pools, adoption).await?;
    meta::claim_environment(pools, environment, now).await?;
    check_safety(pools).await?;
    Ok(version)
}

/// Refuses a Postgres on which people's rows are not kept apart.
async fn check_safety(pools: &Pools) -> Result<(), OpenError> {
    let Pools::Postgres(pool) = pools else {
        return Ok(());
    };
    let mut connection = connection_health::acquire(pool).await?;
    refuse(safety::check(&mut connection).await?, OpenError::NotSafe)?;
    for door in doors::of(&mut connection).await? {
        let finding = door.finding();
        tracing::warn!(fix = %finding.fix.join(" "), "{}", finding.problem);
    }
    Ok(())
}

async fn is_ours(pools: &Pools) -> Result<bool, sqlx::Error> {
    match pools {
        Pools::Postgres(pool) => {
            // By name alone, which needs no right to the schema.
            sqlx::query_scalar(
                "select exists (select 1 from pg_tables
                   where schemaname = 'public' and tablename = 'app_meta')",
            )
            .fetch_one(pool)
            .await
        }
        Pools::Sqlite { writer, .. } => {
            sqlx::query_scalar(
                "select exists (select 1 from sqlite_schema where name = 'app_meta')",
            )
            .fetch_one(writer)
            .await
        }
    }
}

async fn connect_postgres(server: Server, connections: u32) -> Result<Connections, OpenError> {
    let others = connections.saturating_sub(RESERVED).max(1);
    let pool: PgPool = server.pool(others).await?;
    Ok(Connections {
        pools: Pools::Postgres(pool),
        reserved: Pools::Postgres(server.pool(RESERVED).await?),
        listens_at: Some(Arc::new(server)),
    })
}

/// Opens the file for a process that keeps every other server away. What is not ours stays untouched:
/// not even the lock is left beside it.
async fn connect_sqlite_alone(path: &Path) -> Result<(Pools, FileLock), OpenError> {
    let file = inspect(path).await?;
    // Before the lock: what stands in the way is then told by the database's own name.
    create_private(path).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })?;
    let lock = FileLock::take(path)?;
    let pools = connect_sqlite(path).await?;
    if file != SqliteFile::Ours {
        mark(&pools).await?;
    }
    Ok((pools, lock))
}

/// Makes the file tell whose it is, also to a look at its header alone.
async fn mark(pools: &Pools) -> Result<(), OpenError> {
    let Pools::Sqlite { writer, .. } = pools else {
        return Ok(());
    };
    let mut connection = writer.acquire().await?;
    let sql = format!("pragma application_id = {APPLICATION_ID}; pragma wal_checkpoint(truncate)");
    connection.execute(sqlx::AssertSqlSafe(sql)).await?;
    Ok(())
}

/// Other users of this machine must not read people's messages. SQLite gives its other files the same mode.
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
                // An answered message must outlive a power cut: NORMAL would sync at checkpoints only.
                .synchronous(SqliteSynchronous::Full)
                .pragma("wal_autocheckpoint", "2000")
                // What a person had deleted must not be found in free pages.
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
    })
}
