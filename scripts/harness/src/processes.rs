//! The relay and the backend as processes that can be started, stopped and killed.

use std::fs::File;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use test_process::{DEADLINE, Running};

use crate::Binaries;

/// The secret that both sides share.
#[derive(Clone, Debug)]
pub struct Secret(pub String);

impl Default for Secret {
    /// Fixed: it guards nothing but this run's loopback port.
    fn default() -> Self {
        Self("whsec_ZGVtb25zdHJhdGlvbiBzZWNyZXQsIG5vdCBmb3IgdXNl".to_owned())
    }
}

/// Fixed, so that a database can be served by one backend after the other; it guards as little.
const SESSION_SECRET: &str = "a secret of demonstrations that guards nothing";

/// Where a backend keeps what it stores.
#[derive(Clone, Debug)]
pub enum BackendStore {
    /// A file.
    Sqlite(PathBuf),
    /// A server, by URL.
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
    running: Running,
    port: u16,
}

impl Deref for Backend {
    type Target = Running;
    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Backend {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

impl Backend {
    /// Starts it and waits until it listens; `port` 0 takes a free one. `env` is added to its
    /// environment, its log is appended to `log`.
    pub fn start(
        binaries: &Binaries,
        store: &BackendStore,
        secret: &Secret,
        port: u16,
        env: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let mut command = command(&binaries.backend(), log)?;
        command
            .arg("serve")
            .env("APP_ENV", "development")
            .env("HOST", "127.0.0.1")
            .env("PORT", port.to_string())
            .env("DATABASE_URL", store.url())
            .env("MIGRATE_ON_START", "1")
            .env("RELAY_WEBHOOK_SECRET", &secret.0)
            .env("SESSION_SECRET", SESSION_SECRET)
            .envs(env.iter().copied())
            .stdout(Stdio::piped());
        let mut running = Running::start(&mut command).context("cannot start archety-backend")?;
        let line = running.line_with("listening on");
        let port = line
            .as_deref()
            .and_then(|line| line.strip_prefix("listening on http://127.0.0.1:"))
            .and_then(|port| port.parse().ok());
        if let Some(port) = port {
            Ok(Self { running, port })
        } else {
            let code = running.wait(DEADLINE)?;
            bail!(
                "archety-backend did not start (exit code {code:?}); its log is {}",
                log.display()
            )
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port, to start the next one on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A running `archety-relay run`.
#[derive(Debug)]
pub struct Relay {
    running: Running,
}

impl Deref for Relay {
    type Target = Running;
    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Relay {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}

impl Relay {
    /// Starts it on `chat_db`, with its state in `state`.
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
        let running = Running::start(&mut command).context("cannot start archety-relay")?;
        Ok(Self { running })
    }

    /// Waits until the backend has told it where to begin: from then on what arrives is relayed.
    pub fn wait_until_reading(&mut self, state: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let file = state.join("state.db");
        loop {
            if let Some(status) = self.running.ended()? {
                bail!("archety-relay ended at once ({status})");
            }
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
            let reading = rusqlite::Connection::open_with_flags(&file, flags).and_then(|state| {
                state.query_row(
                    "select count(*) from source where resume_pending = 0",
                    [],
                    |row| row.get(0),
                )
            });
            if let Ok(1_i64) = reading {
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

/// A command that inherits nothing of this process's environment that could configure it.
fn command(binary: &Path, log: &Path) -> anyhow::Result<Command> {
    let file = File::options().create(true).append(true).open(log)?;
    let mut command = Command::new(binary);
    command.env_clear().stdin(Stdio::null()).stderr(file);
    // The working folder decides which `.env` is read; the log's has none.
    command.current_dir(log.parent().context("a log lies in a folder")?);
    Ok(command)
}
