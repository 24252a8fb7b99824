//! What `migrate` would do, without doing any of it.
//!
//! The pending migrations' text is split into statements. A list beside the migrations
//! (`migrations/postgres/locks.txt`) has what each locks on Postgres, and whether it reads or writes rows; a
//! test compares it with the locks that are really taken. No statement is run, not even to be rolled back:
//! that would take the very locks in question. Only tables that are there now appear; new ones are empty, and
//! their locks delay no client.

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

#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub database: &'static str,
    /// An older deployment's tables and their rows, which would be adopted.
    pub adopts: Vec<Rows>,
    /// Sessions that hold such a table at this moment, by the names that they gave themselves.
    pub in_use_by: Vec<String>,
    /// What prevents migrating, with the statements that mend it.
    pub needs: Vec<Finding>,
    /// Views and functions that show texts to other roles whatever row-level security says. Those of an
    /// older deployment stop its adoption.
    pub doors: Vec<Door>,
    /// Applied by a newer version and unknown to this one.
    pub newer: Vec<i64>,
    pub migrations: Vec<PlannedMigration>,
}

#[derive(Clone, Debug, Serialize)]
pub struct PlannedMigration {
    pub version: i64,
    pub description: String,
    /// Where its locks end.
    pub transaction: Boundary,
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

#[derive(Clone, Debug, Serialize)]
pub struct PlannedStatement {
    /// Its beginning, on one line.
    pub statement: String,
    /// What it does to tables that are there. On SQLite, those that it names.
    pub tables: Vec<Touched>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Touched {
    #[serde(flatten)]
    pub rows: Rows,
    /// The strongest one; `null` on SQLite, where each writer has the whole file.
    pub lock: Option<Lock>,
    /// The most that is done to the rows; `null` on SQLite.
    pub work: Option<Work>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rows {
    pub table: String,
    pub rows: i64,
    pub counted: Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    Exactly,
    /// By the database's statistics, where the table is too big to be read for this.
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
