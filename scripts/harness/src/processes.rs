//! The relay and the backend as processes that can be started, stopped and killed.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use test_process::{DEADLINE, Running};

use crate::Binaries;

/// A TCP port that no program listens on at the moment.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The secret with which the relay signs and the backend verifies.
#[derive(Clone, Debug)]
pub struct Secret(pub String);

impl Default for Secret {
    /// A fixed secret, because only this machine can reach the backend of a run.
    fn default() -> Self {
        Self("whsec_ZGVtb25zdHJhdGlvbiBzZWNyZXQsIG5vdCBmb3IgdXNl".to_owned())
    }
}

/// The same `SESSION_SECRET` for each backend, so that a second one can serve the database of the first one.
const SESSION_SECRET: &str = "a secret of demonstrations that guards nothing";

/// The database of a backend.
#[derive(Clone, Debug)]
pub enum BackendStore {
    /// The path of the file.
    Sqlite(PathBuf),
    /// The URL of the database.
    Postgres(String),
}

impl BackendStore {
    fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// A running `archety-backend serve`.
#[derive(Debug)]
pub struct Backend {
    /// The process.
    pub process: Running,
    port: u16,
}

impl Backend {
    /// Starts the backend and waits until it listens on `port`; with 0 the system picks a free port.
    /// `env` is added to the backend's environment; its log is appended to the file `log`.
    pub fn start(
        binaries: &Binaries,
        store: &BackendStore,
        secret: &Secret,
        port: u16,
        env: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = Self::command(binaries, store, secret, log)?;
        command
            .arg("serve")
            .env("PORT", port.to_string())
            .env("MIGRATE_ON_START", "1")
            .envs(env.iter().copied())
            .stdout(Stdio::piped());
        let mut process = Running::start(&mut command).context("cannot start archety-backend")?;
        let line = process.line_with("listening on");
        let port = line
            .as_deref()
            .and_then(|line| line.strip_prefix("listening on http://127.0.0.1:"))
            .and_then(|port| port.parse().ok());
        if let Some(port) = port {
            Ok(Self { process, port })
        } else {
            let code = process.wait(DEADLINE)?;
            bail!(
                "archety-backend did not start (exit code {code:?}); its log is {}",
                log.display()
            )
        }
    }

    /// `archety-backend` with the settings of a backend on this database, for one of its commands.
    pub fn command(
        binaries: &Binaries,
        store: &BackendStore,
        secret: &Secret,
        log: &Path,
    ) -> anyhow::Result<Command> {
        let mut command = command(&binaries.backend(), log)?;
        command
            .env("APP_ENV", "development")
            .env("HOST", "127.0.0.1")
            .env("DATABASE_URL", store.url())
            .env("RELAY_WEBHOOK_SECRET", &secret.0)
            .env("SESSION_SECRET", SESSION_SECRET);
        Ok(command)
    }

    /// The base URL, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port on which the backend listens; another backend can be started on it later.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A running `archety-relay run`.
#[derive(Debug)]
pub struct Relay {
    /// The process.
    pub process: Running,
}

impl Relay {
    /// Starts the relay on `chat_db`, with its state in the folder `state`.
    pub fn start(
        binaries: &Binaries,
        chat_db: &Path,
        state: &Path,
        backend_url: &str,
        secret: &Secret,
        env: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = command(&binaries.relay(), log)?;
        command
            .arg("run")
            .env("ARCHETY_BACKEND_URL", backend_url)
            .env("ARCHETY_CHAT_DB", chat_db)
            .env("ARCHETY_STATE_DIR", state)
            .env("RELAY_WEBHOOK_SECRET", &secret.0)
            .env("XDG_CONFIG_HOME", state)
            .envs(env.iter().copied())
            .stdout(Stdio::null());
        let process = Running::start(&mut command).context("cannot start archety-relay")?;
        Ok(Self { process })
    }

    /// Waits until the backend has told the relay which of its messages it stored last, after which the relay
    /// begins to read. Messages that arrive from then on are relayed.
    pub fn wait_until_reading(&mut self, state: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let file = state.join("state.db");
        loop {
            if let Some(status) = self.process.ended()? {
                bail!("archety-relay ended at once ({status})");
            }
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
            // The one row of `source` is the relay's read position.
            let begun = rusqlite::Connection::open_with_flags(&file, flags).and_then(|state| {
                state.query_row(
                    "select count(*) from source where resume_pending = 0",
                    [],
                    |row| row.get(0),
                )
            });
            if let Ok(1_i64) = begun {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "archety-relay did not begin to read"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A command with an empty environment, so that this process's variables cannot configure it.
fn command(binary: &Path, log: &Path) -> anyhow::Result<Command> {
    let file = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(binary);
    command.env_clear().stdin(Stdio::null()).stderr(file);
    // A `.env` file is read from the working folder; the log's folder has none.
    command.current_dir(log.parent().context("a log lies in a folder")?);
    Ok(command)
}
