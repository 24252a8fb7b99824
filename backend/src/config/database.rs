//! `DATABASE_URL` and the settings that belong to it.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::settings::setting;
use super::{DatabaseTls, Reader};

/// The database, and how it is used.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    pub kind: DatabaseKind,
    /// Whether `serve` migrates Postgres, instead of refusing to start until `migrate` has run. SQLite is always
    /// migrated at start.
    pub migrate_on_start: bool,
    /// How many connections to Postgres this process opens at most, beside one that listens for jobs. During a
    /// deploy, replicas × (connections + 1) × 2 must stay below the limit of the server or its pooler.
    pub connections: u32,
    /// How connections to Postgres are protected.
    pub tls: DatabaseTls,
}

#[derive(Clone, Debug)]
pub enum DatabaseKind {
    /// One file, for one process.
    Sqlite { path: PathBuf },
    /// A server, for any number of replicas. The URL contains the password.
    Postgres { url: SecretString },
}

/// A database with the defaults of the other settings.
impl From<DatabaseKind> for DatabaseConfig {
    fn from(kind: DatabaseKind) -> Self {
        Self {
            kind,
            migrate_on_start: false,
            connections: parse_connections(setting("DATABASE_CONNECTIONS").default)
                .expect("the default is a valid number"),
            tls: DatabaseTls::default(),
        }
    }
}

/// Two connections are reserved for messages of relays and for the readiness check, so people's requests need a third.
const ALLOWED_CONNECTIONS: RangeInclusive<u32> = 3..=200;

impl DatabaseConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let kind = reader.optional("DATABASE_URL", DatabaseKind::parse);
        let tls = match &kind {
            Some(DatabaseKind::Postgres { url }) => {
                check_pooler(url.expose_secret(), reader);
                DatabaseTls::read(url.expose_secret(), reader)
            }
            Some(DatabaseKind::Sqlite { .. }) => {
                check_sqlite(reader);
                DatabaseTls::default()
            }
            None => DatabaseTls::default(),
        };
        Self {
            // The empty path is never opened: a URL that cannot be read is a problem, with which no backend starts.
            kind: kind.unwrap_or_else(|| DatabaseKind::Sqlite {
                path: PathBuf::new(),
            }),
            connections: reader.value("DATABASE_CONNECTIONS", parse_connections),
            migrate_on_start: (reader.optional("MIGRATE_ON_START", parse_switch)).unwrap_or(false),
            tls,
        }
    }
}

fn parse_connections(text: &str) -> Option<u32> {
    let number = text.parse().ok()?;
    ALLOWED_CONNECTIONS.contains(&number).then_some(number)
}

fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "0" | "false" => Some(false),
        "1" | "true" => Some(true),
        _ => None,
    }
}

impl DatabaseKind {
    fn parse(url: &str) -> Option<Self> {
        if let Some(path) = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))
        {
            // A database in memory would lose every message at a restart, and a query would become part of the
            // file name.
            let names_file = !path.is_empty() && !path.contains(":memory:") && !path.contains('?');
            return names_file.then(|| Self::Sqlite { path: path.into() });
        }
        let parsed = Url::parse(url).ok()?;
        (matches!(parsed.scheme(), "postgres" | "postgresql")).then(|| Self::Postgres {
            url: SecretString::from(url),
        })
    }
}

/// SQLite serves a single replica, so production needs the operator's promise (`SQLITE_SINGLE_REPLICA=1`) that there is
/// no second. `DATABASE_CONNECTIONS` and `DATABASE_CA`, which only Postgres uses, cause a warning.
fn check_sqlite(reader: &mut Reader) {
    if reader.is_production() && reader.get("SQLITE_SINGLE_REPLICA") != Some("1") {
        let message = if reader.is_set("DATABASE_URL") {
            "is SQLite, which serves one replica only; use Postgres, or set SQLITE_SINGLE_REPLICA=1 if there will never be a second"
        } else {
            "is not set; set it to the URL of a Postgres database"
        };
        reader.refuse("DATABASE_URL", message);
    }
    for key in ["DATABASE_CONNECTIONS", "DATABASE_CA"] {
        if reader.is_set(key) {
            reader.warn(key, "means nothing to a SQLite file");
        }
    }
}

/// Refuses Supabase's pooler in transaction mode, which is recognised by its domain and port. Such poolers of other
/// providers are found at start, when the store tests whether it keeps its database session between transactions.
fn check_pooler(url: &str, reader: &mut Reader) {
    const TRANSACTION_MODE_PORT: u16 = 6543;
    let is_transaction_pooler = Url::parse(url).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        let is_supabase = [".supabase.com", ".supabase.co"]
            .iter()
            .any(|domain| host.ends_with(domain));
        let port = url.query_pairs().find(|(key, _)| key == "port");
        let port = port.map_or_else(|| url.port(), |(_, port)| port.parse().ok());
        is_supabase && port == Some(TRANSACTION_MODE_PORT)
    });
    if is_transaction_pooler {
        reader.refuse(
            "DATABASE_URL",
            "is Supabase's pooler in transaction mode (port 6543), where no session lasts; use the session mode of the same host (port 5432), or the database's own address",
        );
    }
}
