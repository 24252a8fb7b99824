//! `DATABASE_URL` and what belongs to it.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{DatabaseTls, Environment, Problems, Variables};

/// Where the data is kept.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// Which database, and how to reach it.
    pub kind: DatabaseKind,
    /// Whether `serve` migrates Postgres itself (`MIGRATE_ON_START`). SQLite always migrates at start.
    pub migrate_on_start: MigrateOnStart,
    /// How many connections to Postgres this process may have (`DATABASE_CONNECTIONS`).
    pub connections: u32,
    /// How the connections to a Postgres are kept private.
    pub tls: DatabaseTls,
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

impl From<DatabaseKind> for DatabaseConfig {
    /// With the default of everything else.
    fn from(kind: DatabaseKind) -> Self {
        Self {
            kind,
            migrate_on_start: MigrateOnStart::No,
            connections: Self::DEFAULT_CONNECTIONS,
            tls: DatabaseTls::default(),
        }
    }
}

impl DatabaseConfig {
    const DEFAULT_FILE: &'static str = "archety.db";
    /// One more listens for jobs: replicas × (this + 1) × 2 during a deploy must stay below what the server
    /// or its pooler allows.
    pub const DEFAULT_CONNECTIONS: u32 = 8;
    /// Two are kept for intake and readiness.
    const CONNECTIONS: RangeInclusive<u32> = 3..=200;

    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
        warnings: &mut Problems,
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
        if let Some(DatabaseKind::Postgres { url }) = &kind
            && is_transaction_pooler(url.expose_secret())
        {
            found.push(
                "DATABASE_URL",
                "is Supabase's pooler in transaction mode (port 6543), where no session lasts; use the session mode of the same host (port 5432), or the database's own address",
            );
        }
        let tls = match &kind {
            Some(DatabaseKind::Postgres { url }) => {
                let url = url.expose_secret();
                DatabaseTls::read(url, variables, environment, found, warnings)
            }
            _ => DatabaseTls::default(),
        };
        for key in ["DATABASE_CONNECTIONS", "DATABASE_CA"] {
            if is_sqlite && variables.get(key).is_some() {
                warnings.push(key, "means nothing to a SQLite file");
            }
        }
        let connections = match variables.get("DATABASE_CONNECTIONS").map(str::parse) {
            None => Self::DEFAULT_CONNECTIONS,
            Some(Ok(number)) if Self::CONNECTIONS.contains(&number) => number,
            Some(_) => {
                found.push(
                    "DATABASE_CONNECTIONS",
                    "must be a whole number from 3 to 200, two of which are kept for intake and readiness",
                );
                Self::DEFAULT_CONNECTIONS
            }
        };
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
            connections,
            tls,
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
        let parsed = Url::parse(url).ok()?;
        (matches!(parsed.scheme(), "postgres" | "postgresql")).then(|| DatabaseKind::Postgres {
            url: SecretString::from(url),
        })
    }
}

/// Elsewhere the port proves nothing; how sessions behave is found out at start.
fn is_transaction_pooler(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        let is_supabase = [".supabase.com", ".supabase.co"]
            .iter()
            .any(|end| host.ends_with(end));
        let port = url.query_pairs().find(|(key, _)| key == "port");
        let port = port.map_or_else(|| url.port(), |(_, port)| port.parse().ok());
        is_supabase && port == Some(6543)
    })
}
