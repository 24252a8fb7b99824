//! What migrating would do, told without doing any of it.
//!
//! The pending migrations' text is split into statements, and each is told by its words (and by what
//! the migration says of it) to take certain locks on certain tables and to read or write their rows or
//! not. Nothing is run, not even to be rolled back: that would take the very locks in question. Only
//! tables that are there now appear; new ones are empty and keep nobody waiting.

mod catalogue;
mod effects;
mod lock;
mod split;
mod tables;
mod words;

use serde::Serialize;
use sqlx::migrate::Migrator;

pub use effects::Schema;
pub use lock::{Effect, Lock, Work};
pub use split::{Piece, split};
pub use tables::tables;

use super::{Door, Finding, MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE, OpenError, Store};
use crate::config::{DatabaseConfig, DatabaseKind, Environment};
use catalogue::Found;

/// As much of a statement as tells it from others.
const SUMMARY_CHARS: usize = 80;

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
    /// What it does to tables that are there; `null` if that cannot be told.
    pub tables: Option<Vec<Touched>>,
}

/// A table that a statement touches.
#[derive(Clone, Debug, Serialize)]
pub struct Touched {
    /// It, and its rows.
    #[serde(flatten)]
    pub rows: Rows,
    /// `null` on SQLite, where each writer has the whole file.
    pub lock: Option<Lock>,
    /// What is done to the rows.
    pub work: Work,
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
        let (database, migrator, found) = match &config.kind {
            DatabaseKind::Postgres { url } => {
                let found = catalogue::of_postgres(url, &config.tls, environment).await?;
                ("postgres", &MIGRATIONS_POSTGRES, found)
            }
            DatabaseKind::Sqlite { path } => {
                let found = catalogue::of_sqlite(path, environment).await?;
                ("sqlite", &MIGRATIONS_SQLITE, found)
            }
        };
        Ok(Plan {
            database,
            migrations: pending(migrator, &found, database),
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

fn pending(migrator: &Migrator, found: &Found, database: &str) -> Vec<PlannedMigration> {
    let mut schema = found.schema.clone();
    let mut planned = Vec::new();
    for migration in migrator.iter() {
        let statements = split(migration.sql.as_str())
            .into_iter()
            .map(|piece| PlannedStatement {
                statement: summary(piece.body),
                tables: schema.effects(piece).map(|effects| {
                    effects
                        .into_iter()
                        .map(|effect| found.touched(effect, database))
                        .collect()
                }),
            })
            .collect();
        // Applied ones are read too: later ones are checked by the references that they made.
        if !found.applied.contains(&migration.version) {
            planned.push(PlannedMigration {
                version: migration.version,
                description: migration.description.to_string(),
                transaction: if migration.no_tx {
                    Boundary::Statement
                } else {
                    Boundary::File
                },
                statements,
            });
        }
    }
    planned
}

impl Found {
    fn touched(&self, effect: Effect, database: &str) -> Touched {
        let rows = self.rows.iter().find(|rows| rows.table == effect.table);
        Touched {
            rows: rows.cloned().unwrap_or(Rows {
                table: effect.table,
                rows: 0,
                counted: Count::Exactly,
            }),
            lock: (database == "postgres").then_some(effect.lock),
            work: effect.work,
        }
    }
}

/// The beginning of a statement on one line, without comments.
fn summary(body: &str) -> String {
    let mut line = String::new();
    let mut rest = body;
    while !rest.is_empty() && line.len() <= 4 * SUMMARY_CHARS {
        let (text, after) = rest.split_at(split::token(rest));
        if !split::is_blank(text) {
            line.push_str(text);
        } else if !line.ends_with(' ') {
            line.push(' ');
        }
        rest = after;
    }
    // What is quoted still has its own line breaks.
    let words: Vec<&str> = line.split_whitespace().collect();
    let line = words.join(" ");
    if line.chars().count() <= SUMMARY_CHARS {
        return line;
    }
    let mut clipped: String = line.chars().take(SUMMARY_CHARS - 1).collect();
    clipped.push('…');
    clipped
}
