//! What migrating would do, told without doing any of it.
//!
//! The pending migrations' text is split into statements. What each locks on Postgres, and whether it
//! reads or writes rows, stands in a list beside the migrations (`migrations/postgres/locks.txt`), which a
//! test holds against the locks that are really taken. Nothing is run, not even to be rolled back: that
//! would take the very locks in question. Only tables that are there now appear; new ones are empty and
//! hold up no client.

mod catalogue;
mod lock;

use serde::Serialize;
use sqlx::migrate::Migrator;

pub use super::migration_files::{split, tables};
pub use lock::{Lock, Work};

use super::migration_files;
use super::{Door, Finding, MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE, OpenError, Store};
use crate::config::{DatabaseConfig, DatabaseKind, Environment};
use catalogue::Found;
use lock::Effect;

/// Everything that `migrate` would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// `postgres` or `sqlite`.
    pub database: &'static str,
    /// An older deployment's tables and their rows, which would be adopted.
    pub adopts: Vec<Rows>,
    /// Who holds such a table at this moment, by the name that the session gave itself.
    pub in_use_by: Vec<String>,
    /// What stands in the way, with the statements that clear it.
    pub needs: Vec<Finding>,
    /// Views and functions that show texts to other roles whatever row-level security says. Those of an
    /// older deployment stop its adoption.
    pub doors: Vec<Door>,
    /// Applied by a newer version and unknown to this one.
    pub newer: Vec<i64>,
    /// In the order in which they would run.
    pub migrations: Vec<PlannedMigration>,
}

/// One migration that is not applied yet.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedMigration {
    /// The number of its file.
    pub version: i64,
    /// The name of its file.
    pub description: String,
    /// Where its locks end.
    pub transaction: Boundary,
    /// In order.
    pub statements: Vec<PlannedStatement>,
}

/// Until when a migration keeps its locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// All until the end of the file, in one transaction.
    File,
    /// Each statement commits, some several times.
    Statement,
}

/// One statement.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedStatement {
    /// Its beginning, on one line.
    pub statement: String,
    /// What it does to tables that are there. On SQLite, those that it names.
    pub tables: Vec<Touched>,
}

/// A table that a statement touches.
#[derive(Clone, Debug, Serialize)]
pub struct Touched {
    /// It, and its rows.
    #[serde(flatten)]
    pub rows: Rows,
    /// The strongest one; `null` on SQLite, where each writer has the whole file.
    pub lock: Option<Lock>,
    /// The most that is done to the rows; `null` on SQLite.
    pub work: Option<Work>,
}

/// How many rows a table has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// Its name.
    pub table: String,
    /// As counted or estimated.
    pub rows: i64,
    /// Which of the two.
    pub counted: Count,
}

/// How rows were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// One by one.
    Exactly,
    /// By the database's statistics: the table is too big to be read for this.
    Estimated,
}

impl Store {
    /// What [`Store::migrate`] would do. Reads only; refuses another environment's database.
    pub async fn plan(
        config: &DatabaseConfig,
        environment: Environment,
    ) -> Result<Plan, OpenError> {
        let (database, migrator, found, migrations) = match &config.kind {
            DatabaseKind::Postgres { url } => {
                let found = catalogue::of_postgres(url, &config.tls, environment).await?;
                let effects = lock::listed();
                let migrations = pending(&MIGRATIONS_POSTGRES, &found, |version, number, _| {
                    let effects = effects.get(&(version, number)).into_iter().flatten();
                    effects.filter_map(|effect| found.locked(*effect)).collect()
                });
                ("postgres", &MIGRATIONS_POSTGRES, found, migrations)
            }
            DatabaseKind::Sqlite { path } => {
                let found = catalogue::of_sqlite(path, environment).await?;
                let migrations = pending(&MIGRATIONS_SQLITE, &found, |_, _, sql| found.named(sql));
                ("sqlite", &MIGRATIONS_SQLITE, found, migrations)
            }
        };
        Ok(Plan {
            database,
            migrations,
            adopts: found.older,
            newer: {
                let unknown = found.applied.iter().copied();
                unknown
                    .filter(|version| !migrator.version_exists(*version))
                    .collect()
            },
            in_use_by: found.in_use_by,
            needs: found.needs,
            doors: found.doors,
        })
    }
}

/// The migrations that are not applied, with what `touched` tells of each statement by the migration's
/// version, the statement's number and its text.
fn pending(
    migrator: &Migrator,
    found: &Found,
    touched: impl Fn(i64, usize, &str) -> Vec<Touched>,
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
                    tables: touched(migration.version, number, sql),
                })
                .collect(),
        })
        .collect()
}

impl Found {
    fn locked(&self, effect: Effect) -> Option<Touched> {
        let rows = self.rows.iter().find(|rows| rows.table == effect.table)?;
        Some(Touched {
            rows: rows.clone(),
            lock: Some(effect.lock),
            work: Some(effect.work),
        })
    }

    fn named(&self, sql: &str) -> Vec<Touched> {
        let named = |rows: &&Rows| migration_files::names(sql, &rows.table);
        let touched = |rows: &Rows| Touched {
            rows: rows.clone(),
            lock: None,
            work: None,
        };
        self.rows.iter().filter(named).map(touched).collect()
    }
}
