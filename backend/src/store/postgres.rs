//! Connects to Postgres, so that every session has our settings whatever the URL, the role and the database set.
//!
//! The settings are sent when a session starts. Some poolers accept no settings then. There the first statement of a
//! session sets them, once it is proven that a connection keeps its session for itself. A pooler in transaction mode
//! is refused before anything is set, since the next client of the session would get our settings.

use std::str::FromStr;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, Row};

use super::OpenError;
use super::connection_health::{self, ACQUIRE_TIMEOUT};
use crate::config::DatabaseTls;

/// The names and values of a session's settings. No value has quotes.
pub(super) type Settings = &'static [(&'static str, &'static str)];

/// Unqualified names are looked up in `public` alone, after the system's own schemas. Otherwise our tables could
/// be created in a schema with the name of the login, or in one that the URL, the role or the database puts into
/// `search_path`, where row-level security would not be set up.
const SEARCH_PATH: (&str, &str) = ("search_path", "public,pg_temp");
/// With `off`, a statement to which a policy applies would fail.
const ROW_SECURITY: (&str, &str) = ("row_security", "on");
const ISOLATION: (&str, &str) = ("default_transaction_isolation", "read committed");
const IDLE_IN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "30s");

/// Our statements take milliseconds, and compiling one takes seconds. The planner overestimates their cost and would
/// compile them.
const NO_COMPILATION: (&str, &str) = ("jit", "off");

/// The settings for migrations, which read whole tables and may take as long as they need.
pub(super) const MIGRATION_SETTINGS: Settings = &[
    SEARCH_PATH,
    ROW_SECURITY,
    ISOLATION,
    IDLE_IN_TRANSACTION,
    NO_COMPILATION,
    ("statement_timeout", "0"),
];

/// The settings for requests. Every lookup of the statement that stores messages can use an index. For a table that is
/// empty according to its statistics, the planner would choose a scan or a hash join and keep that plan while the table
/// grows.
pub(super) const SERVICE_SETTINGS: Settings = &[
    SEARCH_PATH,
    ROW_SECURITY,
    ISOLATION,
    IDLE_IN_TRANSACTION,
    NO_COMPILATION,
    ("statement_timeout", "10s"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// How long to wait for a connection, and for the answers that show how sessions can be opened.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a server that is starting.
const WAIT_FOR_START: Duration = Duration::from_secs(3);
/// The pause between two attempts to reach a server that is starting.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The identity of a session, also if an address leads to several servers.
const SESSION_ID: &str =
    "select pg_backend_pid()::text || ' since ' || pg_postmaster_start_time()::text";

/// A server to which sessions can be opened.
pub(super) struct Server {
    options: PgConnectOptions,
    /// The settings that the first statement of a session has to set; `None` if sessions start with them.
    set_first: Option<Settings>,
}

impl Server {
    /// Connects to `url` and finds out how to open sessions with `settings`.
    pub(super) async fn reach(
        url: &SecretString,
        tls: &DatabaseTls,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let mut plain = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| OpenError::Url)?
            .application_name("archety-backend")
            // Poolers refuse this setting, which matters for values in text form only.
            .extra_float_digits(None)
            // Otherwise the driver logs every statement, and slow ones with their text.
            .disable_statement_logging();
        if tls.is_verified {
            plain = plain.ssl_mode(PgSslMode::VerifyFull);
        }
        if let Some(authority) = &tls.authority {
            plain = plain.ssl_root_cert_from_pem(authority.clone());
        }
        // Our settings come after the options of the URL, and the last value of a setting counts.
        let with_settings = plain.clone().options(settings.iter().copied());
        let (options, first) = match connect(&with_settings).await {
            Err(error) if refuses_settings(&error) => {
                let first = connect(&plain).await;
                (plain, first)
            }
            first => (with_settings, first),
        };
        let unreachable = |error| unreachable(&options, &error);
        let mut first = first.map_err(unreachable)?;
        let mut second = connect(&options).await.map_err(unreachable)?;
        let sessions = examine(&mut first, &mut second, settings).await;
        // An error of closing does not matter: the connections are not used again.
        let _ = tokio::join!(first.close(), second.close());
        let set_first = match sessions.map_err(unreachable)? {
            Sessions::Shared => {
                let address = address(&options);
                return Err(OpenError::TransactionPooler { address });
            }
            Sessions::WithoutSettings => Some(settings),
            Sessions::WithSettings => None,
        };
        Ok(Self { options, set_first })
    }

    /// The address of the server, without login and password.
    pub(super) fn address(&self) -> String {
        address(&self.options)
    }

    /// A pool of at most `size` sessions.
    pub(super) async fn pool(&self, size: u32) -> Result<PgPool, OpenError> {
        let set_first = self.set_first.map(set_statement);
        let options = PgPoolOptions::new()
            .max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_lifetime(Duration::from_mins(30))
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(connection_health::is_usable(connection, metadata))
            })
            .after_connect(move |connection, _| {
                let set_first = set_first.clone();
                Box::pin(async move {
                    match set_first {
                        Some(sql) => connection.execute(AssertSqlSafe(sql)).await.map(drop),
                        None => Ok(()),
                    }
                })
            });
        let pool = options.connect_with(self.options.clone()).await;
        pool.map_err(|error| unreachable(&self.options, &error))
    }
}

/// The sessions that connections to a server get.
enum Sessions {
    /// Each connection has a session of its own, with our settings.
    WithSettings,
    /// Each connection has a session of its own, without our settings.
    WithoutSettings,
    /// Connections share sessions with other clients.
    Shared,
}

/// Examines two connections that are open at once. Changes nothing on either.
async fn examine(
    first: &mut PgConnection,
    second: &mut PgConnection,
    settings: Settings,
) -> Result<Sessions, sqlx::Error> {
    let examining = async {
        if share_sessions(first, second).await? {
            return Ok(Sessions::Shared);
        }
        Ok(if has_settings(first, settings).await? {
            Sessions::WithSettings
        } else {
            Sessions::WithoutSettings
        })
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, examining).await {
        Ok(sessions) => sessions,
        Err(_) => Err(no_answer()),
    }
}

/// Whether two connections use one session, or one connection uses several. Each connection reads its session id
/// twice in a row: a pooler that assigns sessions in turn could answer alternating reads with constant ids.
async fn share_sessions(
    first: &mut PgConnection,
    second: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let mut of_first = vec![session_id(first).await?];
    let of_second = [session_id(second).await?, session_id(second).await?];
    of_first.push(session_id(first).await?);
    of_first.push(session_id(first).await?);
    let differ = |ids: &[String]| ids.iter().any(|id| *id != ids[0]);
    Ok(differ(&of_first) || differ(&of_second) || of_first[0] == of_second[0])
}

/// The identity of the session that answers the next statement of `connection`.
async fn session_id(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    // A statement without parameters is not prepared. Some poolers support no prepared statements.
    connection.fetch_one(SESSION_ID).await?.try_get(0)
}

async fn has_settings(
    connection: &mut PgConnection,
    settings: Settings,
) -> Result<bool, sqlx::Error> {
    let comparisons: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("current_setting('{name}') = '{value}'"))
        .collect();
    let sql = format!("select {}", comparisons.join(" and "));
    connection.fetch_one(AssertSqlSafe(sql)).await?.try_get(0)
}

fn set_statement(settings: Settings) -> String {
    let set: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("set_config('{name}', '{value}', false)"))
        .collect();
    format!("select {}", set.join(", "))
}

/// Opens one connection. Waits for a server that is starting.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let begun = Instant::now();
    loop {
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, options.connect());
        let Ok(connected) = attempt.await else {
            return Err(no_answer());
        };
        match connected {
            Err(error) if is_starting(&error) && begun.elapsed() < WAIT_FOR_START => {
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
            connected => return connected,
        }
    }
}

fn no_answer() -> sqlx::Error {
    let secs = CONNECT_TIMEOUT.as_secs();
    let silent = format!("no answer within {secs} seconds");
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silent))
}

/// Whether the server is not listening yet, or refuses sessions while it starts (`cannot_connect_now`).
fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(fault) => fault.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(fault) => fault.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// Whether the server may have refused the session because of the settings: it answered, and not with an error
/// about the login, the database, a privilege, or its own state.
fn refuses_settings(error: &sqlx::Error) -> bool {
    // Login, database, missing privilege, lack of resources, and a server that starts or stops.
    let other_reasons = ["28", "3D", "42501", "53", "57"];
    matches!(error, sqlx::Error::Database(fault)
        if fault.code().is_some_and(|code| !other_reasons.iter().any(|class| code.starts_with(class))))
}

fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> OpenError {
    OpenError::Unreachable {
        address: address(options),
        cause: match error {
            // The driver would add the line of the server's source code.
            sqlx::Error::Database(fault) => fault.message().to_owned(),
            sqlx::Error::Io(fault) => with_hint(fault.to_string()),
            other => with_hint(other.to_string()),
        },
    }
}

/// Adds a hint to the cause of a failed connection, if there is one.
fn with_hint(cause: String) -> String {
    let hint = if cause.contains("UnknownIssuer") {
        "set DATABASE_CA to the certificate of the authority that signed it (Supabase: prod-ca-2021.crt \
         from its dashboard)"
    } else if cause.contains("not valid for name") {
        "the certificate is of another host than DATABASE_URL names"
    } else if cause.contains("does not support TLS") {
        "a database on another machine has to encrypt its connections"
    } else {
        return cause;
    };
    format!("{cause}; {hint}")
}

fn address(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(folder) => format!("{}:{}", folder.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_neither_login_nor_password() {
        for (url, expected) in [
            (
                "postgres://bob:hunter2@db.example.com/a",
                "db.example.com:5432",
            ),
            ("postgres://bob:hunter2@[::1]:6000/a", "[::1]:6000"),
            (
                "postgres://bob:hunter2@localhost/a?host=/run/pg",
                "/run/pg:5432",
            ),
        ] {
            let options = PgConnectOptions::from_str(url).expect("a URL");
            assert_eq!(address(&options), expected);
        }
    }

    #[test]
    fn no_setting_needs_quotes() {
        for (name, value) in [MIGRATION_SETTINGS, SERVICE_SETTINGS].concat() {
            assert!(!name.contains(['\'', '"']) && !value.contains(['\'', '"']));
        }
    }
}
