//! Migrates a database to the schema of this version.
//!
//! The migrations are embedded, so that the binary alone can migrate. Two processes that migrate at once take
//! turns by the migrator's advisory lock. What the migrations need, and whether an older deployment's database
//! may be adopted, is checked before anything is changed.

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::{Executor, PgConnection, PgPool, SqlSafeStr};

use super::adoption::{self, Adoption, is_lock_timeout};
use super::error::refuse;
use super::execute::PooledConnection;
use super::finding::Finding;
use super::migration_files::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE};
use super::pools::AccessMode;
use super::statement::Statement;
use super::{OpenError, Pools, needs, safety};

// Not in `statements()`, because the table does not exist before the first migration.
pub(super) const APPLIED_VERSIONS: Statement =
    Statement::named("APPLIED_VERSIONS").both("select version from _sqlx_migrations where success");
const IS_MIGRATED: Statement = Statement::named("IS_MIGRATED")
    .postgres("select to_regclass('_sqlx_migrations') is not null")
    .sqlite("select exists (select 1 from sqlite_schema where name = '_sqlx_migrations')");

/// The schema of a database, compared with this version's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchemaVersion {
    Current,
    /// A newer version has applied these migrations. This version can serve on the result.
    Newer(Vec<i64>),
}

/// The migrations that a database and this binary do not share.
struct MigrationDifference {
    /// Whether any migration is applied.
    has_applied: bool,
    /// The migrations that this binary has and the database lacks.
    missing: Vec<i64>,
    /// The applied migrations that this binary does not have.
    unknown: Vec<i64>,
}

impl MigrationDifference {
    async fn read(connection: &mut PooledConnection) -> Result<Self, sqlx::Error> {
        let migrator = match connection {
            PooledConnection::Postgres(_) => &MIGRATIONS_POSTGRES,
            PooledConnection::Sqlite(_) => &MIGRATIONS_SQLITE,
        };
        let is_migrated: Vec<(bool,)> = connection.all(IS_MIGRATED, &()).await?;
        let applied: Vec<(i64,)> = if is_migrated == [(true,)] {
            connection.all(APPLIED_VERSIONS, &()).await?
        } else {
            Vec::new()
        };
        let known = migrator.iter().map(|migration| migration.version);
        let versions = applied.iter().map(|(version,)| *version);
        Ok(Self {
            has_applied: !applied.is_empty(),
            missing: known
                .filter(|version| !applied.contains(&(*version,)))
                .collect(),
            unknown: versions
                .filter(|version| !migrator.version_exists(*version))
                .collect(),
        })
    }
}

/// The versions with four digits, separated by commas.
fn version_list(versions: &[i64]) -> String {
    let versions: Vec<String> = versions
        .iter()
        .map(|version| format!("{version:04}"))
        .collect();
    versions.join(", ")
}

/// Applies the missing migrations. If a newer version has migrated the database, changes nothing, and fails if this
/// version cannot serve on the result.
pub(super) async fn migrate(pools: &Pools, adoption: Adoption) -> Result<SchemaVersion, OpenError> {
    let mut connection = pools.connection(AccessMode::Writes).await?;
    check_schema(&mut connection, OpenError::NotReady).await?;
    let difference = MigrationDifference::read(&mut connection).await?;
    let MigrationDifference {
        missing, unknown, ..
    } = &difference;
    if !unknown.is_empty() {
        if !missing.is_empty() {
            return Err(OpenError::TooNew(vec![format!(
                "it has migrations that this version does not know ({}) and lacks some that it does ({})",
                version_list(unknown),
                version_list(missing)
            )]));
        }
        check_statements(&mut connection).await?;
        return Ok(SchemaVersion::Newer(difference.unknown));
    }
    if let PooledConnection::Sqlite(connection) = &mut connection {
        let done = run(&MIGRATIONS_SQLITE, &mut **connection).await;
        done.map_err(OpenError::Migration)?;
    }
    if let (PooledConnection::Postgres(connection), Pools::Postgres(pool)) =
        (&mut connection, pools)
    {
        migrate_postgres(pool, connection, &difference, adoption).await?;
    }
    Ok(SchemaVersion::Current)
}

async fn migrate_postgres(
    pool: &PgPool,
    connection: &mut PgConnection,
    difference: &MigrationDifference,
    adoption: Adoption,
) -> Result<(), OpenError> {
    if !difference.missing.is_empty() {
        let needs = needs::unmet(connection, &difference.missing).await?;
        refuse(needs, OpenError::NotReady)?;
    } else if is_read_only(connection).await? {
        // The migrator writes even if no migration is missing, which a read-only database refuses.
        return Ok(());
    }
    // After an adoption that failed before its first commit, the migrator's table exists without a row.
    if !difference.has_applied {
        adoption::prepare(pool, connection, adoption).await?;
    }
    match run(&MIGRATIONS_POSTGRES, connection).await {
        Err(MigrateError::Execute(ref source) | MigrateError::ExecuteMigration(ref source, _))
            if is_lock_timeout(source) =>
        {
            adoption::refuse_blocking_clients(pool).await?;
            // The client that held the lock has disconnected since, or only reads.
            Err(OpenError::InUse { by: Vec::new() })
        }
        done => done.map_err(OpenError::Migration),
    }
}

/// Runs the migrations on the connection that [`check_schema`] has checked, since another one could look unqualified
/// names up in another schema.
async fn run<C: Migrate>(migrator: &Migrator, connection: &mut C) -> Result<(), MigrateError> {
    let (up_to_version, only_mark_as_applied) = (None, false);
    migrator
        .run_direct(up_to_version, connection, only_mark_as_applied)
        .await
}

/// Checks that this version can serve on the database without migrating it. Migrations that this binary does
/// not know are accepted if all statements can be prepared: during a deploy an old replica may start on a
/// database to which the new version has already added columns or tables.
pub(super) async fn check_migrated(pools: &Pools) -> Result<(), OpenError> {
    let mut connection = pools.connection(AccessMode::Writes).await?;
    check_schema(&mut connection, OpenError::NotSafe).await?;
    let difference = MigrationDifference::read(&mut connection).await?;
    if !difference.missing.is_empty() {
        let missing = difference.missing.len();
        return Err(OpenError::NotMigrated { missing });
    }
    if !difference.unknown.is_empty() {
        check_statements(&mut connection).await?;
    }
    Ok(())
}

/// On Postgres, fails with `refusal` if [`safety::check_schema`] finds a problem. Always succeeds on SQLite.
async fn check_schema(
    connection: &mut PooledConnection,
    refusal: fn(Vec<Finding>) -> OpenError,
) -> Result<(), OpenError> {
    match connection {
        PooledConnection::Postgres(connection) => {
            refuse(safety::check_schema(connection).await?, refusal)
        }
        PooledConnection::Sqlite(_) => Ok(()),
    }
}

/// Prepares every statement, which fails if a table or column that the statement names does not exist.
async fn check_statements(connection: &mut PooledConnection) -> Result<(), OpenError> {
    let mut failed = Vec::new();
    for statement in super::statements() {
        let prepared = match connection {
            PooledConnection::Postgres(connection) if !statement.postgres.is_empty() => {
                let sql = statement.postgres.into_sql_str();
                connection.prepare(sql).await.map(drop)
            }
            PooledConnection::Sqlite(connection) if !statement.sqlite.is_empty() => {
                let sql = statement.sqlite.into_sql_str();
                connection.prepare(sql).await.map(drop)
            }
            _ => Ok(()),
        };
        match prepared {
            Err(sqlx::Error::Database(fault)) => {
                failed.push(format!("{}: {}", statement.name, fault.message()));
            }
            prepared => prepared?,
        }
    }
    refuse(failed, OpenError::TooNew)
}

async fn is_read_only(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select current_setting('transaction_read_only')::boolean")
        .fetch_one(connection)
        .await
}
