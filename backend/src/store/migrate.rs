//! Bringing a database to this version's schema.
//!
//! The migrations are embedded, so that the binary alone can migrate. Two processes that migrate at
//! once take turns by the migrator's advisory lock. The older deployment's database is recognised by
//! its tables before anything is changed, and adopted only when the owner says so.

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use super::{OpenError, Pools};

/// Migrations of Postgres.
pub static MIGRATIONS_POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
/// Migrations of SQLite.
pub static MIGRATIONS_SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");

/// Tables of the older deployment, and the statement that counts each one's rows. Not registered:
/// they run before any table of ours exists.
const OLDER_TABLES: [(&str, &str); 4] = [
    ("users", "select count(*) from users"),
    ("conversations", "select count(*) from conversations"),
    ("messages", "select count(*) from messages"),
    ("relationships", "select count(*) from relationships"),
];
const TABLE_EXISTS: &str = "select to_regclass($1) is not null";
const APPLIED_VERSIONS: &str = "select version from _sqlx_migrations where success";

/// Whether the owner has said that an older deployment's data may be adopted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Data of an older deployment stops the migration.
    Refused,
    /// It is adopted.
    Allowed,
}

/// Applies what is missing.
pub(super) async fn migrate(pools: &Pools, adoption: Adoption) -> Result<(), OpenError> {
    let done = match pools {
        Pools::Postgres(pool) => {
            if adoption == Adoption::Refused {
                refuse_older_data(pool).await?;
            }
            MIGRATIONS_POSTGRES.run(pool).await
        }
        Pools::Sqlite { writer, .. } => MIGRATIONS_SQLITE.run(writer).await,
    };
    done.map_err(|error| match error {
        MigrateError::Execute(ref source) | MigrateError::ExecuteMigration(ref source, _)
            if is_lock_timeout(source) =>
        {
            OpenError::InUse
        }
        error => OpenError::Migration(error),
    })
}

/// Tells how many migrations are missing. Newer ones than this binary knows are fine: during a deploy
/// an old replica may start on a database that the new version has already expanded.
pub(super) async fn check_migrated(pool: &PgPool) -> Result<(), OpenError> {
    let known = MIGRATIONS_POSTGRES
        .iter()
        .map(|migration| migration.version);
    let applied = applied(pool).await?;
    match known.filter(|version| !applied.contains(version)).count() {
        0 => Ok(()),
        missing => Err(OpenError::NotMigrated { missing }),
    }
}

async fn applied(pool: &PgPool) -> Result<Vec<i64>, sqlx::Error> {
    if table_exists(pool, "_sqlx_migrations").await? {
        sqlx::query_scalar(APPLIED_VERSIONS).fetch_all(pool).await
    } else {
        Ok(Vec::new())
    }
}

async fn refuse_older_data(pool: &PgPool) -> Result<(), OpenError> {
    // An adoption that failed leaves the migrator's table behind, but no row in it.
    if !applied(pool).await?.is_empty() {
        return Ok(());
    }
    let mut filled = Vec::new();
    let mut rows = 0;
    for (table, count) in OLDER_TABLES {
        if table_exists(pool, table).await? {
            let found: i64 = sqlx::query_scalar(count).fetch_one(pool).await?;
            if found > 0 {
                rows += found;
                filled.push(table);
            }
        }
    }
    if filled.is_empty() {
        return Ok(());
    }
    let tables = filled.join(", ");
    Err(OpenError::NeedsAdoption { rows, tables })
}

async fn table_exists(pool: &PgPool, table: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(TABLE_EXISTS)
        .bind(table)
        .fetch_one(pool)
        .await
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(fault) if fault.code().as_deref() == Some("55P03"))
}
