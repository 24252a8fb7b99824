//! Opening the store: connections, migrations, and the check that it is the right database.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor, PgPool};

use super::file_lock::FileLock;
use super::intake::Intake;
use super::migrate::{check_migrated, migrate};
use super::{Adoption, OpenError, Pools, Store, meta};
use crate::clock::Timestamp;
use crate::config::{DatabaseConfig, DatabaseKind, Environment, MigrateOnStart};

/// For migrations, which read whole tables and may take as long as they need.
pub(super) const MIGRATING: &str =
    "set statement_timeout = 0; set idle_in_transaction_session_timeout = '30s'";

/// Replicas × this × 2 during a deploy must stay below what the server or its pooler allows.
const POSTGRES_CONNECTIONS: u32 = 8;
const SQLITE_READERS: u32 = 4;
/// Longer than any commit should take, shorter than a relay waits.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// For requests. Every lookup of intake goes by an index; the planner would rather scan or hash a table
/// that its statistics still call empty, keep that plan, and fall off a cliff while the table fills.
const SERVING: &str = "set enable_seqscan = off; set enable_hashjoin = off; \
     set enable_mergejoin = off; set plan_cache_mode = force_generic_plan; \
     set statement_timeout = '10s'; set idle_in_transaction_session_timeout = '30s'";

impl Store {
    /// Opens the store for `serve`. SQLite is migrated, Postgres only if the configuration says so.
    pub async fn open(
        config: &DatabaseConfig,
        environment: Environment,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let is_sqlite = matches!(config.kind, DatabaseKind::Sqlite { .. });
        if config.migrate_on_start == MigrateOnStart::Yes && !is_sqlite {
            Self::migrate(config, environment, Adoption::Refused, now).await?;
        }
        let (pools, lock) = connect(&config.kind, SERVING).await?;
        match &pools {
            Pools::Postgres(pool) => {
                check_migrated(pool).await?;
                meta::claim_environment(&pools, environment, now).await?;
            }
            Pools::Sqlite { .. } => {
                migrate_and_claim(&pools, environment, Adoption::Refused, now).await?;
            }
        }
        Ok(Self {
            intake: Intake::start(&pools),
            pools,
            _lock: lock,
        })
    }

    /// Migrates and closes.
    pub async fn migrate(
        config: &DatabaseConfig,
        environment: Environment,
        adoption: Adoption,
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let (pools, _lock) = connect(&config.kind, MIGRATING).await?;
        let done = migrate_and_claim(&pools, environment, adoption, now).await;
        pools.close().await;
        done
    }
}

async fn migrate_and_claim(
    pools: &Pools,
    environment: Environment,
    adoption: Adoption,
    now: Timestamp,
) -> Result<(), OpenError> {
    // Asked before as well as after: the schema of another environment's database stays untouched.
    if is_ours(pools).await? {
        meta::check_environment(pools, environment).await?;
    }
    migrate(pools, adoption).await?;
    meta::claim_environment(pools, environment, now).await
}

async fn is_ours(pools: &Pools) -> Result<bool, sqlx::Error> {
    match pools {
        Pools::Postgres(pool) => {
            sqlx::query_scalar("select to_regclass('app_meta') is not null")
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

async fn connect(
    kind: &DatabaseKind,
    session: &'static str,
) -> Result<(Pools, Option<Arc<FileLock>>), OpenError> {
    match kind {
        DatabaseKind::Postgres { url } => {
            let pool = connect_postgres(url.expose_secret(), session).await?;
            Ok((Pools::Postgres(pool), None))
        }
        DatabaseKind::Sqlite { path } => {
            // Before the lock: what stands in the way is then told by the database's own name.
            create_private(path).map_err(|source| OpenError::File {
                path: path.to_owned(),
                source,
            })?;
            let lock = FileLock::take(path)?;
            Ok((connect_sqlite(path).await?, Some(Arc::new(lock))))
        }
    }
}

/// People's messages are nobody else's on this machine. SQLite gives its other files the same mode.
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

pub(super) async fn connect_postgres(
    url: &str,
    session: &'static str,
) -> Result<PgPool, OpenError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| OpenError::Url)?
        .application_name("archety-backend")
        // The driver logs every statement otherwise, slow ones with their text.
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .max_lifetime(Duration::from_mins(30))
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(session).await.map(drop) })
        })
        .connect_with(options)
        .await?;
    Ok(pool)
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
                .pragma("wal_autocheckpoint", "2000"),
        )
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .connect_lazy_with(options.read_only(true));
    Ok(Pools::Sqlite { writer, readers })
}
