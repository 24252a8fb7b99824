//! The commands of `archety-backend`, their output and their exit codes.
//!
//! Data goes to standard output, and notes to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage,
//! 69 the database is not available or belongs to another program or deployment, 78 the configuration is wrong.

mod adoption;
mod attention;
mod check;
mod connection_check;
mod former_accounts;
mod handle_input;
mod identity;
mod keys;
mod line;
mod migrate;
mod output;
mod person;
mod plan_text;
mod relay;
mod routes;
mod secret;
mod serve;

use std::fmt;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Parser, Subcommand};

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, DevSecretError, Problems, Variables, VariablesError};
use crate::identity::OpenIdentityError;
use crate::services::BuildError;
use crate::store::{KeyError, OpenError, Store, StoreError};
use crate::telemetry::start_logging;

/// Receives messages from Mac relays, stores each once, and answers.
#[derive(Debug, Parser)]
#[command(
    name = "archety-backend",
    version,
    after_long_help = "Configuration comes from the environment (and from .env in development); \
`archety-backend check` shows what is in effect.\n\n\
Exit codes: 0 done, 1 failed, 2 wrong usage, 69 database not available or of another \
program or deployment, 78 configuration wrong."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM; prints `listening on http://ADDRESS` once ready
    #[command(
        after_long_help = "With PORT=0 the system chooses a free port; the line on standard \
output tells which. SIGTERM drains: readiness fails, requests in flight finish, long polls end."
    )]
    Serve,
    /// Bring the database to this version's schema
    #[command(
        after_long_help = "Safe to repeat and to run from several places at once. On Railway \
this is the pre-deploy step. SQLite needs no call: serve migrates it at start. With --plan nothing is \
changed."
    )]
    Migrate(migrate::Args),
    /// List what is left to correct by hand after an older deployment's data was adopted
    Adoption(adoption::Args),
    /// Check the configuration and show what is in effect, with secrets masked
    Check(check::Args),
    /// List relays; let one authenticate with its bare secret again; let another Mac take a relay's name
    Relay(relay::Args),
    /// List the lines and the relays that answer them; let another relay answer a line
    Line(line::Args),
    /// List replies that may not have been sent and messages that were not answered
    Attention(attention::Args),
    /// Export or delete what is kept about a person or a handle
    Person(person::Args),
    /// List every route and who may call it
    Routes(output::ListArgs),
    /// Make the secrets that relays sign with
    Secret(secret::Args),
    /// Rotate the keys that are stored in the database
    Keys(keys::Args),
    /// Change who issues access tokens; count and delete accounts at former issuers
    Identity(identity::Args),
}

/// Runs one command to its end.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve => serve::run(configuration_with_logging()?).await,
        Command::Migrate(args) => migrate::run(args, &configuration_with_logging()?).await,
        Command::Adoption(args) => adoption::run(args, &configuration_with_logging()?).await,
        Command::Check(args) => check::run(args).await,
        Command::Keys(args) => keys::run(args, &configuration_with_logging()?).await,
        Command::Identity(args) => identity::run(args, &configuration_with_logging()?).await,
        Command::Relay(args) => relay::run(args, &configuration()?).await,
        Command::Line(args) => line::run(args, &configuration()?).await,
        Command::Attention(args) => attention::run(args, &configuration()?).await,
        Command::Person(args) => person::run(args, &configuration_with_logging()?).await,
        Command::Routes(list) => {
            routes::run(&list);
            Ok(())
        }
        Command::Secret(args) => {
            secret::run(args);
            Ok(())
        }
    }
}

/// Reads the configuration from the environment.
fn configuration() -> Result<Config, Failure> {
    Ok(Config::from_variables(&Variables::of_process()?)?)
}

/// Reads the configuration and starts logging as it says.
fn configuration_with_logging() -> Result<Config, Failure> {
    let config = configuration()?;
    start_logging(&config.log_filter, config.environment)
        .map_err(|error| Failure::Configuration(error.into()))?;
    Ok(config)
}

/// Opens the store, runs `work` with it and the current time, and closes it. A server may be running on the same
/// database.
async fn with_store<T>(
    config: &Config,
    work: impl AsyncFnOnce(&Store, Timestamp) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let now = Clock::System.now();
    let store = Store::open_beside(&config.database, config.environment, now).await?;
    let outcome = work(&store, now).await;
    store.close().await;
    outcome
}

/// The error of a command. The variant decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong.
    Configuration(anyhow::Error),
    /// The database is not available, or belongs to another program or deployment.
    Database(anyhow::Error),
    /// Anything else.
    Other(anyhow::Error),
}

impl Failure {
    /// A failure with exit code 1.
    fn new(message: impl fmt::Display) -> Self {
        Self::Other(anyhow!("{message}"))
    }

    /// The exit code of the process. 78 and 69 are `EX_CONFIG` and `EX_UNAVAILABLE` of `sysexits.h`.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Configuration(_) => 78,
            Self::Database(_) => 69,
            Self::Other(_) => 1,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Configuration(error) | Self::Database(error) | Self::Other(error)) = self;
        write!(f, "{error:#}")
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Configuration(problems.into())
    }
}

impl From<VariablesError> for Failure {
    fn from(error: VariablesError) -> Self {
        Self::Configuration(error.into())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Database(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Database(error.into())
    }
}

impl From<DevSecretError> for Failure {
    fn from(error: DevSecretError) -> Self {
        Self::Configuration(error.into())
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unseal(_) => Self::Configuration(error.into()),
            KeyError::Store(_) => Self::Database(error.into()),
        }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Key(error) | BuildError::Identity(OpenIdentityError::Keys(error)) => {
                error.into()
            }
            error => Self::Configuration(error.into()),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}
