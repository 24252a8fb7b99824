//! The plan of a migration: the changes that `migrate` would make. Planning changes nothing.
//!
//! The text of each pending migration is split into statements. The list `migrations/postgres/locks.txt` has the
//! locks that each statement takes on Postgres, and whether the statement reads or writes rows. A test compares
//! the list with the locks that are really taken. Planning runs no statement of a migration, not even to roll it
//! back, since that would take the locks in question. A plan has only tables that exist now: new tables are
//! empty, and their locks delay no client.

mod catalogue;
mod lock;

use serde::Serialize;
use sqlx::migrate::Migrator;

pub use super::migration_files::{split, tables};
pub use lock::{Lock, Work};

use super::migration_files;
use super::{Finding, MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE, OpenError, RlsBypass, Store};
use crate::config::{DatabaseConfig, DatabaseKind, Environment};
use catalogue::DatabaseState;
use lock::Effect;

#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub database: &'static str,
    /// The tables of an older deployment, which would be adopted.
    pub adopts: Vec<TableRows>,
    /// The application names of the clients that use such a table at this moment.
    pub in_use_by: Vec<String>,
    /// What prevents the migration, with the statements that solve it.
    pub needs: Vec<Finding>,
    /// Ways past row-level security. Those in an older deployment's database prevent its adoption.
    #[serde(rename = "doors")]
    pub rls_bypasses: Vec<RlsBypass>,
    /// The migrations that a newer version has applied and that this version does not know.
    pub newer: Vec<i64>,
    pub migrations: Vec<PlannedMigration>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PlannedMigration {
    pub version: i64,
    pub description: String,
    /// When the migration releases its locks.
    pub transaction: Boundary,
    pub statements: Vec<PlannedStatement>,
}

/// When a migration commits, which releases its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// At the end of the file: all statements are one transaction.
    File,
    /// After each statement, and within some statements.
    Statement,
}

#[derive(Clone, Debug, Serialize)]
pub struct PlannedStatement {
    /// The beginning of the statement, on one line.
    pub statement: String,
    /// The existing tables that the statement locks; on SQLite, those that it names.
    pub tables: Vec<AffectedTable>,
}

#[derive(Clone, Debug, Serialize)]
pub struct AffectedTable {
    #[serde(flatten)]
    pub rows: TableRows,
    /// The strongest lock; `null` on SQLite, where a writer locks the whole file.
    pub lock: Option<Lock>,
    /// The greatest work on the rows; `null` on SQLite.
    pub work: Option<Work>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableRows {
    pub table: String,
    pub rows: i64,
    pub counted: Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    Exactly,
    /// From the statistics of the database, for a table that is too big to be counted or that the login may not read.
    Estimated,
}

impl Store {
    /// Plans what [`Store::migrate`] would do. Fails if the database belongs to another environment.
    pub async fn plan(
        config: &DatabaseConfig,
        environment: Environment,
    ) -> Result<Plan, OpenError> {
        let (database, migrator, found, migrations) = match &config.kind {
            DatabaseKind::Postgres { url } => {
                let found = catalogue::of_postgres(url, &config.tls, environment).await?;
                let effects = lock::listed_effects();
                let migrations = pending(&MIGRATIONS_POSTGRES, &found, |version, number, _| {
                    let effects = effects.get(&(version, number)).into_iter().flatten();
                    effects
                        .filter_map(|effect| found.locked_table(*effect))
                        .collect()
                });
                ("postgres", &MIGRATIONS_POSTGRES, found, migrations)
            }
            DatabaseKind::Sqlite { path } => {
                let found = catalogue::of_sqlite(path, environment).await?;
                let migrations = pending(&MIGRATIONS_SQLITE, &found, |_, _, sql| {
                    found.named_tables(sql)
                });
                ("sqlite", &MIGRATIONS_SQLITE, found, migrations)
            }
        };
        Ok(Plan {
            database,
            migrations,
            adopts: found.older_tables,
            newer: {
                let unknown = found.applied.iter().copied();
                unknown
                    .filter(|version| !migrator.version_exists(*version))
                    .collect()
            },
            in_use_by: found.in_use_by,
            needs: found.needs,
            rls_bypasses: found.rls_bypasses,
        })
    }
}

/// The migrations that are not applied to the database `found`. `affected` returns the tables that a statement affects,
/// given the version of its migration, its number and its text.
fn pending(
    migrator: &Migrator,
    found: &DatabaseState,
    affected: impl Fn(i64, usize, &str) -> Vec<AffectedTable>,
) -> Vec<PlannedMigration> {
    migrator
        .iter()
        .filter(|migration| !found.applied.contains(&migration.version))
        .map(|migration| PlannedMigration {
            version: migration.version,
            description: migration.description.to_string(),
            transaction: if migration.no_tx {
                Boundary::Statement
            } else {
                Boundary::File
            },
            statements: (1..)
                .zip(split(migration.sql.as_str()))
                .map(|(number, sql)| PlannedStatement {
                    statement: migration_files::summary(sql),
                    tables: affected(migration.version, number, sql),
                })
                .collect(),
        })
        .collect()
}

impl DatabaseState {
    /// The table of an effect, if it exists now.
    fn locked_table(&self, effect: Effect) -> Option<AffectedTable> {
        let rows = self.tables.iter().find(|rows| rows.table == effect.table)?;
        Some(AffectedTable {
            rows: rows.clone(),
            lock: Some(effect.lock),
            work: Some(effect.work),
        })
    }

    /// The existing tables that occur in a statement.
    fn named_tables(&self, sql: &str) -> Vec<AffectedTable> {
        let is_named = |rows: &&TableRows| migration_files::names_table(sql, &rows.table);
        let affected = |rows: &TableRows| AffectedTable {
            rows: rows.clone(),
            lock: None,
            work: None,
        };
        self.tables.iter().filter(is_named).map(affected).collect()
    }
}
