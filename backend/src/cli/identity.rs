//! The commands `identity switch`, `identity former` and `identity finish-former`, and the check of the Supabase
//! project's settings that `serve` runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Subcommand;

use super::output::ListArgs;
use super::{Failure, former_accounts};
use crate::audit::{self, Event, EventKind};
use crate::clock::Clock;
use crate::config::{Config, Environment, IdentityConfig};
use crate::identity::{CodeSender, Identity, SettingsProblem, switch_identity};
use crate::store::Store;

/// The time limit of one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two checks while Supabase has not answered yet, or has a problem for which every sign-in is refused.
const FAILED_CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// Pause between two checks otherwise. An operator may change the settings in Supabase's dashboard at any time.
const CHECK_INTERVAL: Duration = Duration::from_hours(1);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bind the database to the configured IDENTITY and sign all people out
    #[command(
        after_long_help = "The database remembers who issues its people's tokens, so that a \
missing SUPABASE_* variable cannot give people new identities. Set the new configuration, stop \
every replica, run this, start again. People keep everything; they sign in anew. Their accounts at the \
former provider stay there: `identity former` counts them."
    )]
    Switch {
        /// Do it; without this flag nothing is changed
        #[arg(long)]
        yes: bool,
    },
    /// Count the accounts that are left at the providers used before `identity switch`
    #[command(
        after_long_help = "For each issuer that the database is not bound to any more: the accounts that \
people still have there, and the accounts of deleted people that are still to be deleted, which `identity \
finish-former` does with the old credentials."
    )]
    Former(ListArgs),
    /// Delete the accounts of deleted people at a former Supabase project, which needs its old credentials
    #[command(
        after_long_help = "It reads the project's old settings from the environment (or from .env in \
development), under names of their own:\n\n  \
FORMER_SUPABASE_URL          what SUPABASE_URL was\n  \
FORMER_SUPABASE_SERVICE_KEY  what SUPABASE_SERVICE_KEY was, or a new service_role or secret key\n  \
FORMER_SUPABASE_ISSUER       what SUPABASE_ISSUER was, if it was set\n\n\
Only accounts of people who were deleted here are deleted there. An account is done once the \
project has deleted it or does not know it; after any other answer it is still to be deleted. If the command is \
interrupted or run again, it continues with what is left. It runs beside serve, and exits with 1 as long as an \
account is still to be deleted."
    )]
    FinishFormer(former_accounts::FinishArgs),
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    match args.command {
        Command::Switch { yes: true } => switch(config).await,
        Command::Switch { yes: false } => Err(Failure::new(format_args!(
            "this would sign all people out and accept access tokens of {} only; add --yes to do it",
            configured_issuer(config)
        ))),
        Command::Former(args) => former_accounts::list(&args, config).await,
        Command::FinishFormer(args) => former_accounts::finish(&args, config).await,
    }
}

fn configured_issuer(config: &Config) -> &str {
    match &config.identity {
        IdentityConfig::Local => "this backend itself (IDENTITY=local)",
        IdentityConfig::Supabase(supabase) => &supabase.issuer,
    }
}

async fn switch(config: &Config) -> Result<(), Failure> {
    let now = Clock::System.now();
    let store = Store::open(&config.database, config.environment, now).await?;
    let ended_sessions = switch_identity(&config.identity, &store, now).await;
    if ended_sessions.is_ok() {
        let event = Event::new(EventKind::IdentitySwitch, "switched");
        audit::record(&store, event, now).await;
    }
    let accounts_left = former_accounts::accounts_left(&store).await;
    store.close().await;
    let ended = ended_sessions.map_err(|error| Failure::Database(error.into()))?;
    eprintln!(
        "access tokens are now accepted from {}; {ended} session(s) ended",
        configured_issuer(config)
    );
    if accounts_left? > 0 {
        eprintln!(
            "accounts stay at the former provider: `archety-backend identity former` counts them"
        );
    }
    Ok(())
}

/// Checks the settings of the Supabase project before the server listens. In production a fatal problem, such as
/// settings that let people sign in without this backend, makes the start fail. Returns the watch for later checks.
pub(super) async fn check_provider_settings(
    config: &Config,
    identity: &Arc<Identity>,
) -> Result<SettingsWatch, Failure> {
    let mut watch = SettingsWatch {
        identity: Arc::clone(identity),
        code_sender: CodeSender::of(&config.otp.provider),
        environment: config.environment,
        refuses_sign_ins: false,
    };
    match watch.check().await {
        SettingsCheck::NotNeeded => tracing::warn!("Supabase not enabled"),
        SettingsCheck::Answered(problems) => {
            refuse_fatal(&problems, config.environment)?;
            for problem in &problems {
                tracing::warn!(key = problem.location(), "{problem}");
            }
            set_problem_gauge(&problems);
            log_sign_in_state(&problems);
        }
        SettingsCheck::Unreachable => {
            tracing::warn!(
                "Supabase does not answer; sign-ins fail until it does, and its settings are checked then"
            );
            watch.refuses_sign_ins = true;
        }
    }
    Ok(watch)
}

/// Checks the settings of the Supabase project regularly while the server runs, and logs every problem. While
/// there is a fatal problem, [`Identity`] refuses every sign-in.
pub(super) struct SettingsWatch {
    identity: Arc<Identity>,
    code_sender: CodeSender,
    environment: Environment,
    /// Whether no check has been answered yet, or the last answer has a fatal problem.
    refuses_sign_ins: bool,
}

enum SettingsCheck {
    /// This backend issues tokens itself.
    NotNeeded,
    /// The settings could be read and have these problems.
    Answered(Vec<SettingsProblem>),
    /// Supabase gave no answer in time, or one that cannot be used.
    Unreachable,
}

impl SettingsWatch {
    async fn check(&self) -> SettingsCheck {
        let Identity::Supabase(supabase) = &*self.identity else {
            return SettingsCheck::NotNeeded;
        };
        let checked =
            tokio::time::timeout(CHECK_TIMEOUT, supabase.check_settings(self.code_sender));
        match checked.await {
            Ok(Ok(problems)) => SettingsCheck::Answered(problems),
            Ok(Err(_)) | Err(_) => SettingsCheck::Unreachable,
        }
    }

    /// Repeats the check until the task is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let pause = if self.refuses_sign_ins {
                FAILED_CHECK_INTERVAL
            } else {
                CHECK_INTERVAL
            };
            tokio::time::sleep(pause).await;
            let SettingsCheck::Answered(problems) = self.check().await else {
                continue;
            };
            set_problem_gauge(&problems);
            for problem in &problems {
                tracing::error!(key = problem.location(), "{problem}");
            }
            let refused_before = self.refuses_sign_ins;
            self.refuses_sign_ins = problems
                .iter()
                .any(|problem| problem.is_fatal(self.environment));
            if self.refuses_sign_ins {
                tracing::error!(
                    "every sign-in is refused until these settings are corrected; checking again soon"
                );
            } else if refused_before {
                log_sign_in_state(&problems);
            }
        }
    }
}

fn set_problem_gauge(problems: &[SettingsProblem]) {
    let count = u32::try_from(problems.len()).unwrap_or(0);
    metrics::gauge!("supabase_settings_problems").set(count);
}

fn log_sign_in_state(problems: &[SettingsProblem]) {
    if problems.iter().all(|problem| problem.allows_sign_in()) {
        tracing::info!("Supabase client initialized");
    } else {
        tracing::error!("sign-ins with Supabase fail until these settings are corrected");
    }
}

/// Fails if a problem is fatal in this environment.
fn refuse_fatal(problems: &[SettingsProblem], environment: Environment) -> Result<(), Failure> {
    let fatal = problems
        .iter()
        .filter(|problem| problem.is_fatal(environment));
    let fatal: Vec<String> = fatal
        .map(|problem| format!("\n  {}: {problem}", problem.location()))
        .collect();
    if fatal.is_empty() {
        return Ok(());
    }
    Err(Failure::Configuration(anyhow!(
        "the Supabase project has {} problem(s):{}",
        fatal.len(),
        fatal.concat()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fatal_settings_prevent_a_start_in_production() {
        let problems = [
            SettingsProblem::PublicSignup,
            SettingsProblem::PhoneAutoconfirm,
        ];
        assert!(refuse_fatal(&problems, Environment::Development).is_ok());
        assert!(refuse_fatal(&[], Environment::Production).is_ok());
        let refused = refuse_fatal(&problems, Environment::Production).expect_err("two problems");
        let message = refused.to_string();
        assert!(message.contains("2 problem(s)"), "{message}");
        assert!(message.contains(&problems[0].to_string()), "{message}");
        assert!(refuse_fatal(&[SettingsProblem::SignupClosed], Environment::Production).is_ok());
    }
}
