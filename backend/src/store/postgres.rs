//! Sessions of Postgres: with our settings whatever URL, role and database say, and only where a session
//! is one.
//!
//! The settings travel with the start of the session. A pooler that takes none there gets them as its
//! first statement, once it is proven that the session is ours alone. A pooler in transaction mode is
//! refused before anything is set on it: what is set there stays for the next client.

use std::str::FromStr;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, Row};

use super::OpenError;
use super::connection_health::{self, ACQUIRE_TIMEOUT};
use crate::config::DatabaseTls;

/// Settings of every session, by name. Values have no quotes.
pub(super) type Settings = &'static [(&'static str, &'static str)];

/// Where unqualified names are looked up: in `public` alone, after the system's own. A schema that is
/// called as the login, or stands in `search_path` by URL, role or database, would otherwise get our
/// tables, and none of what closes them.
const SEARCH_PATH: (&str, &str) = ("search_path", "public,pg_temp");
/// Off, a policy would turn statements of ours into errors.
const ROW_SECURITY: (&str, &str) = ("row_security", "on");
const ISOLATION: (&str, &str) = ("default_transaction_isolation", "read committed");
const IDLE_IN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "30s");

/// Statements here take milliseconds, and compiling one takes seconds. The planner's guess at their cost
/// says otherwise.
const NO_COMPILATION: (&str, &str) = ("jit", "off");

/// For migrations, which read whole tables and may take as long as they need.
pub(super) const MIGRATING: Settings = &[
    SEARCH_PATH,
    ROW_SECURITY,
    ISOLATION,
    IDLE_IN_TRANSACTION,
    NO_COMPILATION,
    ("statement_timeout", "0"),
];

/// For requests. Every lookup of intake goes by an index; the planner would rather scan or hash a table
/// that its statistics still call empty, keep that plan, and fall off a cliff while the table fills.
pub(super) const SERVING: Settings = &[
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

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server that is just starting is waited for.
const STARTING: Duration = Duration::from_secs(3);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Which session this is, on whichever server behind one address.
const SESSION: &str =
    "select pg_backend_pid()::text || ' since ' || pg_postmaster_start_time()::text";

/// A server that has answered.
pub(super) struct Server {
    options: PgConnectOptions,
    /// Settings that a session does not start with.
    set_first: Option<Settings>,
}

impl Server {
    /// Finds out how to have sessions with `settings` at `url`.
    pub(super) async fn reach(
        url: &SecretString,
        tls: &DatabaseTls,
        settings: Settings,
    ) -> Result<Self, OpenError> {
        let mut plain = PgConnectOptions::from_str(url.expose_secret())
            .map_err(|_| OpenError::Url)?
            .application_name("archety-backend")
            // Poolers refuse it, and nothing here is read as text.
            .extra_float_digits(None)
            // The driver logs every statement otherwise, slow ones with their text.
            .disable_statement_logging();
        if tls.is_verified {
            plain = plain.ssl_mode(PgSslMode::VerifyFull);
        }
        if let Some(authority) = &tls.authority {
            plain = plain.ssl_root_cert_from_pem(authority.clone());
        }
        // Behind what the URL asks for: the last one counts.
        let with_settings = plain.clone().options(settings.iter().copied());
        let (options, one) = match connect(&with_settings).await {
            Err(error) if refuses_settings(&error) => {
                let one = connect(&plain).await;
                (plain, one)
            }
            one => (with_settings, one),
        };
        let unreachable = |error| unreachable(&options, &error);
        let mut one = one.map_err(unreachable)?;
        let mut two = connect(&options).await.map_err(unreachable)?;
        let known = examine(&mut one, &mut two, settings).await;
        // What a connection says when it closes changes nothing any more.
        let _ = tokio::join!(one.close(), two.close());
        let set_first = match known.map_err(unreachable)? {
            Session::Shared => {
                let address = address(&options);
                return Err(OpenError::TransactionPooler { address });
            }
            Session::Plain => Some(settings),
            Session::WithSettings => None,
        };
        Ok(Self { options, set_first })
    }

    /// Where it is, without login and password.
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
            .before_acquire(|connection, known| {
                Box::pin(connection_health::is_usable(connection, known))
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

/// What connections are given.
enum Session {
    /// Each its own, and it has our settings.
    WithSettings,
    /// Each its own, as the server makes it.
    Plain,
    /// One that others use in between.
    Shared,
}

/// Looks at two connections that are open at once. Changes nothing on either.
async fn examine(
    one: &mut PgConnection,
    two: &mut PgConnection,
    settings: Settings,
) -> Result<Session, sqlx::Error> {
    let looking = async {
        if share_sessions(one, two).await? {
            return Ok(Session::Shared);
        }
        Ok(if has_settings(one, settings).await? {
            Session::WithSettings
        } else {
            Session::Plain
        })
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, looking).await {
        Ok(known) => known,
        Err(_) => Err(no_answer()),
    }
}

/// Whether statements of two clients meet in one session, or those of one client in several. Twice in a
/// row for one of them, since a pooler that takes turns could otherwise look as if each had its own.
async fn share_sessions(
    one: &mut PgConnection,
    two: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let mut ones = vec![session(one).await?];
    let twos = [session(two).await?, session(two).await?];
    ones.push(session(one).await?);
    ones.push(session(one).await?);
    let own = |sessions: &[String]| sessions.iter().all(|session| *session == sessions[0]);
    Ok(!own(&ones) || !own(&twos) || ones[0] == twos[0])
}

async fn session(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    // Without parameters it is not prepared, which some poolers cannot carry.
    connection.fetch_one(SESSION).await?.try_get(0)
}

async fn has_settings(
    connection: &mut PgConnection,
    settings: Settings,
) -> Result<bool, sqlx::Error> {
    let are_ours: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("current_setting('{name}') = '{value}'"))
        .collect();
    let sql = format!("select {}", are_ours.join(" and "));
    connection.fetch_one(AssertSqlSafe(sql)).await?.try_get(0)
}

fn set_statement(settings: Settings) -> String {
    let set: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("set_config('{name}', '{value}', false)"))
        .collect();
    format!("select {}", set.join(", "))
}

/// One connection; a server that is just starting is waited for.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let begun = Instant::now();
    loop {
        let attempt = tokio::time::timeout(CONNECT_TIMEOUT, options.connect());
        let Ok(done) = attempt.await else {
            return Err(no_answer());
        };
        match done {
            Err(error) if is_starting(&error) && begun.elapsed() < STARTING => {
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

fn no_answer() -> sqlx::Error {
    let secs = CONNECT_TIMEOUT.as_secs();
    let silent = format!("no answer within {secs} seconds");
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, silent))
}

fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(fault) => fault.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(fault) => fault.code().as_deref() == Some("57P03"),
        _ => false,
    }
}

/// Whether the server may let us in if we ask for no settings: it answered, and neither login nor
/// database nor its own state are the reason.
fn refuses_settings(error: &sqlx::Error) -> bool {
    let others = ["28", "3D", "42501", "53", "57"];
    matches!(error, sqlx::Error::Database(fault)
        if fault.code().is_some_and(|code| !others.iter().any(|class| code.starts_with(class))))
}

fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> OpenError {
    OpenError::Unreachable {
        address: address(options),
        cause: match error {
            // The driver adds which line of the server said it.
            sqlx::Error::Database(fault) => fault.message().to_owned(),
            sqlx::Error::Io(fault) => with_hint(fault.to_string()),
            other => with_hint(other.to_string()),
        },
    }
}

/// What to do about a certificate that proves nothing to us.
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

/// Where the server is, without login and password.
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
    fn an_address_tells_neither_login_nor_password() {
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
    fn values_need_no_quotes() {
        for (name, value) in [MIGRATING, SERVING].concat() {
            assert!(!name.contains(['\'', '"']) && !value.contains(['\'', '"']));
        }
    }
}
