//! A Postgres for the tests: the server of `TEST_POSTGRES_URL`, or a throw-away cluster of the installed programs
//! that starts once for all tests. Each test gets its own database, copied from a migrated template.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Adoption, Store};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::OnceCell;

use super::NOW;

/// A Postgres server.
struct Server {
    /// The URL, with `{}` in place of the database's name.
    url: String,
    /// The process that runs the cluster. It stops the cluster when its standard input closes.
    _cluster: Option<Mutex<Child>>,
    is_throwaway: bool,
    /// Whether a database is copied file by file.
    copies_files: bool,
}

static SERVER: OnceLock<Server> = OnceLock::new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static NAMES: AtomicU32 = AtomicU32::new(0);

/// A database that is deleted when this value is dropped.
pub(crate) struct TestDatabase {
    name: String,
    /// The database's own server, if it is not on the shared server of all tests.
    own: Option<Server>,
    logins: AtomicU32,
}

impl TestDatabase {
    /// A migrated database.
    pub(crate) async fn migrated() -> Self {
        let server = server();
        let template = TEMPLATE
            .get_or_init(|| async {
                let template = Self::create(server, None).await;
                Store::migrate(
                    &config(&template.url()),
                    Environment::Development,
                    Adoption::Refused,
                    NOW,
                )
                .await
                .expect("an empty database migrates");
                let name = template.name.clone();
                std::mem::forget(template);
                name
            })
            .await;
        Self::create(server, Some(template)).await
    }

    /// A database without tables.
    pub(crate) async fn empty() -> Self {
        Self::create(server(), None).await
    }

    /// An empty database on a server of its own, which has no roles of other tests.
    pub(crate) async fn on_fresh_server() -> Self {
        let fresh =
            throwaway().expect("the programs of Postgres: `scripts/prerequisites postgres`");
        let mut database = Self::create(&fresh, None).await;
        database.own = Some(fresh);
        database
    }

    async fn create(server: &Server, template: Option<&str>) -> Self {
        let number = NAMES.fetch_add(1, Ordering::Relaxed);
        let name = format!("archety_test_{}_{number}", std::process::id());
        let template = template.unwrap_or("template0");
        // Copied files take half the time of the default, a copy through the log.
        let strategy = if server.copies_files {
            "strategy file_copy"
        } else {
            ""
        };
        let sql = format!("create database {name} template {template} {strategy}");
        run_as_admin(server, sql).await;
        Self {
            name,
            own: None,
            logins: AtomicU32::new(0),
        }
    }

    /// Whether the server checks no passwords, as a throw-away server does.
    pub(crate) fn accepts_any_password(&self) -> bool {
        self.server().is_throwaway
    }

    fn server(&self) -> &Server {
        self.own.as_ref().unwrap_or_else(|| server())
    }

    /// The name of the database, as an SQL identifier.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn url(&self) -> String {
        self.server().url.replace("{}", &self.name)
    }

    /// Creates a login with `attributes` and no other rights. Returns its name and the configuration to connect with it.
    pub(crate) async fn login(&self, attributes: &str) -> (String, DatabaseConfig) {
        let number = self.logins.fetch_add(1, Ordering::Relaxed);
        let login = format!("{}_login_{number}", self.name);
        self.run(&format!(
            "create role {login} login password 'of the tests' {attributes}"
        ))
        .await;
        let mut url = url::Url::parse(&self.url()).expect("a URL");
        url.set_username(&login).expect("a URL with a host");
        url.set_password(Some("of the tests"))
            .expect("a URL with a host");
        (login, config(url.as_str()))
    }

    /// Runs statements as a superuser.
    pub(crate) async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = self.connect().await.execute(sqlx::raw_sql(sql)).await;
        done.expect("a superuser may do it");
    }

    pub(crate) fn config(&self) -> DatabaseConfig {
        config(&self.url())
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url())
            .await
            .expect("the server is up")
    }

    /// Ends every connection to the database, as a restart of the server does.
    pub(crate) async fn cut_connections(&self) {
        let server = self.server();
        let sql = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
            self.name
        );
        run_as_admin(server, sql).await;
    }

    /// Drops the database and ends all connections to it.
    pub(crate) async fn vanish(&self) {
        let server = self.server();
        run_as_admin(server, format!("drop database {} with (force)", self.name)).await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some(server) = SERVER.get() else {
            return;
        };
        if server.is_throwaway || self.own.is_some() {
            return;
        }
        let mut statements = vec![format!(
            "drop database if exists {} with (force)",
            self.name
        )];
        let logins = 0..self.logins.load(Ordering::Relaxed);
        statements.extend(logins.map(|n| format!("drop role if exists {}_login_{n}", self.name)));
        // The test's runtime cannot wait in `drop`, but another thread can.
        let dropped = std::thread::scope(|scope| {
            let drop_it = || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build();
                let runtime = runtime.expect("a runtime");
                for sql in statements {
                    runtime.block_on(run_as_admin(server, sql));
                }
            };
            scope.spawn(drop_it).join()
        });
        if dropped.is_err() {
            eprintln!("the database {} was left behind", self.name);
        }
    }
}

pub(super) fn config(url: &str) -> DatabaseConfig {
    DatabaseConfig::from(DatabaseKind::Postgres { url: url.into() })
}

async fn run_as_admin(server: &Server, sql: String) {
    let url = server.url.replace("{}", "postgres");
    let mut connection = PgConnection::connect(&url).await.expect("the server is up");
    connection
        .execute(AssertSqlSafe(sql))
        .await
        .expect("an administrative statement");
}

/// The server that the tests share. A test that needs a server fails if there is none.
fn server() -> &'static Server {
    SERVER.get_or_init(|| {
        configured().or_else(throwaway).expect(
            "this test needs Postgres: `scripts/prerequisites postgres` installs it, \
             TEST_POSTGRES_URL names another; `cargo test -- --skip Postgres` tests SQLite",
        )
    })
}

/// The server that the environment names.
fn configured() -> Option<Server> {
    let url = variable("TEST_POSTGRES_URL").or_else(|| variable("DATABASE_URL_TEST"))?;
    let (base, query) = url.split_once('?').unwrap_or((&url, ""));
    let (server, _database) = base.rsplit_once('/').expect("a URL that names a database");
    Some(Server {
        url: format!("{server}/{{}}?{query}"),
        _cluster: None,
        is_throwaway: false,
        copies_files: false,
    })
}

fn throwaway() -> Option<Server> {
    let programs = programs()?;
    let script = include_str!("throwaway-postgres.sh");
    // Postgres refuses to run as root.
    let mut command = if is_root() {
        let mut command = Command::new("su");
        let login = format!("exec sh -c '{}' sh \"$1\"", script.replace('\'', r"'\''"));
        command.args(["postgres", "-s", "/bin/sh", "-c", &login, "--", "sh"]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        command
    };
    let mut cluster = command
        .arg(&programs)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut folder = String::new();
    BufReader::new(cluster.stdout.take().expect("piped"))
        .read_line(&mut folder)
        .expect("text");
    let folder = folder.trim();
    assert!(
        !folder.is_empty(),
        "the throw-away Postgres of {} did not start",
        programs.display()
    );
    Some(Server {
        url: format!("postgres://postgres@localhost/{{}}?host={folder}"),
        _cluster: Some(Mutex::new(cluster)),
        is_throwaway: true,
        // Postgres 14 has no choice.
        copies_files: major_version(&programs).is_some_and(|version| version >= 15),
    })
}

/// The folder of the newest Postgres installed.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .iter()
        .filter_map(|root| std::fs::read_dir(root).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").is_file() && bin.join("postgres").is_file())
        .collect();
    found.sort();
    found.pop().or_else(|| {
        let path = variable("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
    })
}

/// The major version of the programs in a folder.
fn major_version(programs: &Path) -> Option<u32> {
    let output = Command::new(programs.join("postgres"))
        .arg("--version")
        .output();
    // Such as `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    version.split('.').next()?.parse().ok()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // The owner of this process owns its entry in /proc or, without /proc, a new file.
    let own = Path::new("/proc/self");
    if let Ok(entry) = std::fs::metadata(own) {
        return entry.uid() == 0;
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.as_file().metadata().expect("metadata").uid() == 0
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment names the Postgres of the tests"
)]
fn variable(key: &str) -> Option<String> {
    std::env::var(key).ok().filter(|value| !value.is_empty())
}
