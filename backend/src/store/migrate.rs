//! Bringing a database to this version's schema.
//!
//! The migrations are embedded, so that the binary alone can migrate. Two processes that migrate at
//! once take turns by the migrator's advisory lock. Whether an older deployment's database may be
//! adopted is asked before anything is changed.

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use super::adoption::{self, is_lock_timeout, table_exists};
use super::{OpenError, Pools};

/// Migrations of Postgres.
pub static MIGRATIONS_POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
/// Migrations of SQLite.
pub static MIGRATIONS_SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");

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
    let pool = match pools {
        Pools::Postgres(pool) => pool,
        Pools::Sqlite { writer, .. } => {
            return MIGRATIONS_SQLITE
                .run(writer)
                .await
                .map_err(OpenError::Migration);
        }
    };
    // An adoption that failed before its first commit leaves the migrator's table behind, but no row.
    if applied(pool).await?.is_empty() {
        match adoption {
            Adoption::Refused => adoption::refuse_older_data(pool).await?,
            Adoption::Allowed => adoption::refuse_writers(pool).await?,
        }
    }
    match MIGRATIONS_POSTGRES.run(pool).await {
        Err(MigrateError::Execute(ref source) | MigrateError::ExecuteMigration(ref source, _))
            if is_lock_timeout(source) =>
        {
            adoption::refuse_sessions(pool).await?;
            // Whoever it was is gone, or only reads.
            Err(OpenError::InUse { by: Vec::new() })
        }
        done => done.map_err(OpenError::Migration),
    }
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
