//! `DATABASE_URL` and what belongs to it.

use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

use super::{Environment, Problems, Variables};

/// Where the data is kept.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Which database, and how to reach it.
    pub kind: DatabaseKind,
    /// Whether `serve` migrates Postgres itself (`MIGRATE_ON_START`). SQLite always migrates at start.
    pub migrate_on_start: MigrateOnStart,
}

/// Whether `serve` may change the schema of Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrateOnStart {
    /// `serve` refuses to start until `migrate` has run.
    No,
    /// `serve` migrates first.
    Yes,
}

/// Which database.
#[derive(Clone)]
pub enum DatabaseKind {
    /// One file, one process.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A server, any number of replicas.
    Postgres {
        /// The URL with its password.
        url: SecretString,
    },
}

impl fmt::Debug for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => write!(f, "Sqlite({})", path.display()),
            Self::Postgres { .. } => f.write_str("Postgres(…)"),
        }
    }
}

impl DatabaseConfig {
    const DEFAULT_FILE: &'static str = "archety.db";

    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
    ) -> Self {
        let url = variables.get("DATABASE_URL");
        let kind = url.map_or_else(
            || {
                Some(DatabaseKind::Sqlite {
                    path: Self::DEFAULT_FILE.into(),
                })
            },
            Self::parse,
        );
        if kind.is_none() {
            found.push(
                "DATABASE_URL",
                "must be postgres://user:password@host:5432/name (without a driver such as +asyncpg) or sqlite://path/to/file",
            );
        }
        let is_sqlite = matches!(kind, Some(DatabaseKind::Sqlite { .. }));
        let single = variables.get("SQLITE_SINGLE_REPLICA") == Some("1");
        if environment == Environment::Production && is_sqlite && !single {
            let message = if url.is_some() {
                "is SQLite, which serves one replica only; use Postgres, or set SQLITE_SINGLE_REPLICA=1 if there will never be a second"
            } else {
                "is not set; set it to the URL of a Postgres database"
            };
            found.push("DATABASE_URL", message);
        }
        let migrate_on_start = match variables.get("MIGRATE_ON_START") {
            None | Some("0" | "false") => MigrateOnStart::No,
            Some("1" | "true") => MigrateOnStart::Yes,
            Some(_) => {
                found.push("MIGRATE_ON_START", "must be 1 or 0");
                MigrateOnStart::No
            }
        };
        Self {
            kind: kind.unwrap_or(DatabaseKind::Sqlite {
                path: Self::DEFAULT_FILE.into(),
            }),
            migrate_on_start,
        }
    }

    fn parse(url: &str) -> Option<DatabaseKind> {
        if let Some(path) = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))
        {
            // A database in memory would lose every message at a restart, and a query part would be
            // taken for a file name.
            let names_file = !path.is_empty() && !path.contains(":memory:") && !path.contains('?');
            return names_file.then(|| DatabaseKind::Sqlite { path: path.into() });
        }
        let parsed = url::Url::parse(url).ok()?;
        (matches!(parsed.scheme(), "postgres" | "postgresql")).then(|| DatabaseKind::Postgres {
            url: SecretString::from(url),
        })
    }
}
