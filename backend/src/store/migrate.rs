//! Bringing a database to this version's schema.
//!
//! The migrations are embedded, so that the binary alone can migrate. Two processes that migrate at
//! once take turns by the migrator's advisory lock. Whatever is needed, and whether an older
//! deployment's database may be adopted, is asked before anything is changed.

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{Executor, PgConnection, PgPool, SqlSafeStr, SqliteConnection};

use super::adoption::{self, Adoption, is_lock_timeout};
use super::error::refuse;
use super::migration_files::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE};
use super::{OpenError, Pools, connection_health, needs, safety};

const APPLIED_VERSIONS: &str = "select version from _sqlx_migrations where success";
const IS_MIGRATED_POSTGRES: &str = "select to_regclass('_sqlx_migrations') is not null";
const IS_MIGRATED_SQLITE: &str =
    "select exists (select 1 from sqlite_schema where name = '_sqlx_migrations')";

/// How the schema stands to this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaVersion {
    /// It is this version's.
    Current,
    /// A newer version has migrated it, by these migrations. This version can serve on it.
    Newer(Vec<i64>),
}

/// The migrations that a database and this binary do not share.
struct Difference {
    missing: Vec<i64>,
    unknown: Vec<i64>,
}

impl Difference {
    fn of(migrator: &Migrator, applied: &[i64]) -> Self {
        let known = migrator.iter().map(|migration| migration.version);
        let unknown = applied.iter().copied();
        Self {
            missing: known.filter(|version| !applied.contains(version)).collect(),
            unknown: unknown
                .filter(|version| !migrator.version_exists(*version))
                .collect(),
        }
    }

    /// What there is to migrate: `None` if a newer version has done it.
    fn newer(&self) -> Result<Option<SchemaVersion>, OpenError> {
        match (self.unknown.is_empty(), self.missing.is_empty()) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some(SchemaVersion::Newer(self.unknown.clone()))),
            (false, false) => Err(OpenError::TooNew(vec![format!(
                "it has migrations that this version does not know ({}) and lacks some that it does ({})",
                listed(&self.unknown),
                listed(&self.missing)
            )])),
        }
    }
}

fn listed(versions: &[i64]) -> String {
    let versions: Vec<String> = versions
        .iter()
        .map(|version| format!("{version:04}"))
        .collect();
    versions.join(", ")
}

/// Applies what is missing.
pub(super) async fn migrate(pools: &Pools, adoption: Adoption) -> Result<SchemaVersion, OpenError> {
    match pools {
        Pools::Postgres(pool) => migrate_postgres(pool, adoption).await,
        Pools::Sqlite { writer, .. } => {
            let mut connection = writer.acquire().await?;
            let applied = applied_on_sqlite(&mut connection).await?;
            if let Some(newer) = Difference::of(&MIGRATIONS_SQLITE, &applied).newer()? {
                can_serve_on_sqlite(&mut connection).await?;
                return Ok(newer);
            }
            let done = run(&MIGRATIONS_SQLITE, &mut *connection).await;
            done.map_err(OpenError::Migration)?;
            Ok(SchemaVersion::Current)
        }
    }
}

async fn migrate_postgres(pool: &PgPool, adoption: Adoption) -> Result<SchemaVersion, OpenError> {
    let mut connection = connection_health::acquire(pool).await?;
    refuse(
        safety::check_place(&mut connection).await?,
        OpenError::NotReady,
    )?;
    let applied = applied(&mut connection).await?;
    let difference = Difference::of(&MIGRATIONS_POSTGRES, &applied);
    if let Some(newer) = difference.newer()? {
        can_serve(&mut connection).await?;
        return Ok(newer);
    }
    if difference.missing.is_empty() && is_read_only(&mut connection).await? {
        // The migrator would write even so.
        return Ok(SchemaVersion::Current);
    }
    if !difference.missing.is_empty() {
        let needs = needs::of(&mut connection, &difference.missing).await?;
        refuse(needs, OpenError::NotReady)?;
    }
    // An adoption that failed before its first commit leaves the migrator's table behind, but no row.
    if applied.is_empty() {
        adoption::prepare(pool, &mut connection, adoption).await?;
    }
    match run(&MIGRATIONS_POSTGRES, &mut *connection).await {
        Err(MigrateError::Execute(ref source) | MigrateError::ExecuteMigration(ref source, _))
            if is_lock_timeout(source) =>
        {
            adoption::refuse_sessions(pool).await?;
            // The process that held it is gone, or only reads.
            return Err(OpenError::InUse { by: Vec::new() });
        }
        done => done.map_err(OpenError::Migration)?,
    }
    Ok(SchemaVersion::Current)
}

/// On this very connection: where its names lead has been looked at.
async fn run<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<(), MigrateError> {
    migrator.run_direct(None, connection, false).await
}

/// Whether this version can serve on the database as it is. Newer migrations than this binary knows are
/// fine if its statements still mean something: during a deploy an old replica may start on a database
/// that the new version has already expanded.
pub(super) async fn check_migrated(pools: &Pools) -> Result<(), OpenError> {
    match pools {
        Pools::Postgres(pool) => {
            let mut connection = connection_health::acquire(pool).await?;
            refuse(
                safety::check_place(&mut connection).await?,
                OpenError::NotSafe,
            )?;
            let applied = applied(&mut connection).await?;
            let difference = Difference::of(&MIGRATIONS_POSTGRES, &applied);
            difference.refuse_missing()?;
            if !difference.unknown.is_empty() {
                can_serve(&mut connection).await?;
            }
        }
        Pools::Sqlite { writer, .. } => {
            let mut connection = writer.acquire().await?;
            let applied = applied_on_sqlite(&mut connection).await?;
            let difference = Difference::of(&MIGRATIONS_SQLITE, &applied);
            difference.refuse_missing()?;
            if !difference.unknown.is_empty() {
                can_serve_on_sqlite(&mut connection).await?;
            }
        }
    }
    Ok(())
}

impl Difference {
    fn refuse_missing(&self) -> Result<(), OpenError> {
        match self.missing.len() {
            0 => Ok(()),
            missing => Err(OpenError::NotMigrated { missing }),
        }
    }
}

/// Prepares every statement, which fails if a table or column that one names is gone.
async fn can_serve(connection: &mut PgConnection) -> Result<(), OpenError> {
    let mut failed = Vec::new();
    for statement in super::statements().filter(|statement| !statement.postgres.is_empty()) {
        match connection.prepare(statement.postgres.into_sql_str()).await {
            Err(sqlx::Error::Database(fault)) => {
                failed.push(format!("{}: {}", statement.name, fault.message()));
            }
            other => drop(other?),
        }
    }
    refuse(failed, OpenError::TooNew)
}

async fn can_serve_on_sqlite(connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let mut failed = Vec::new();
    for statement in super::statements().filter(|statement| !statement.sqlite.is_empty()) {
        match connection.prepare(statement.sqlite.into_sql_str()).await {
            Err(sqlx::Error::Database(fault)) => {
                failed.push(format!("{}: {}", statement.name, fault.message()));
            }
            other => drop(other?),
        }
    }
    refuse(failed, OpenError::TooNew)
}

async fn is_read_only(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select current_setting('transaction_read_only')::boolean")
        .fetch_one(connection)
        .await
}

async fn applied(connection: &mut PgConnection) -> Result<Vec<i64>, sqlx::Error> {
    let is_migrated = sqlx::query_scalar(IS_MIGRATED_POSTGRES);
    if is_migrated.fetch_one(&mut *connection).await? {
        sqlx::query_scalar(APPLIED_VERSIONS)
            .fetch_all(connection)
            .await
    } else {
        Ok(Vec::new())
    }
}

async fn applied_on_sqlite(connection: &mut SqliteConnection) -> Result<Vec<i64>, sqlx::Error> {
    let is_migrated = sqlx::query_scalar(IS_MIGRATED_SQLITE);
    if is_migrated.fetch_one(&mut *connection).await? {
        sqlx::query_scalar(APPLIED_VERSIONS)
            .fetch_all(connection)
            .await
    } else {
        Ok(Vec::new())
    }
}
