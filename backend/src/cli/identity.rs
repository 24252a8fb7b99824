//! Identities on the command line: opened for `serve`, and `identity switch|former|finish-former`.
//!
//! What the provider's settings let strangers do is looked at before anything listens.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Subcommand;

use super::{Failure, former};
use crate::audit::{self, Event, EventKind};
use crate::clock::Clock;
use crate::config::{Config, Environment, IdentityConfig};
use crate::identity::{CodesBy, Identity, SettingsProblem, switch_identity};
use crate::store::Store;
use crate::telemetry::start_logging;

/// Starting waits no longer for a provider that hangs.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at the provider's settings while they keep every sign-in out.
const CHECK_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// Pause otherwise. An operator may change the settings in the provider's dashboard at any time.
const CHECK_EVERY: Duration = Duration::from_hours(1);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bind the database to the configured IDENTITY and sign everybody out
    #[command(
        after_long_help = "The database remembers who issues its people's tokens, so that a \
vanished SUPABASE_* variable cannot turn everybody into somebody else. Set the new configuration, stop \
every replica, run this, start again. People keep everything; they sign in anew. Their accounts at the \
former provider stay there: `identity former` counts them."
    )]
    Switch {
        /// Do it; without this flag nothing is changed
        #[arg(long)]
        yes: bool,
    },
    /// Count what is left at the providers of before `identity switch`
    #[command(
        after_long_help = "For each issuer that the database is not bound to any more: the accounts that \
people still have there, and the accounts of deleted people that wait to be deleted, for which `identity \
finish-former` needs the old credentials."
    )]
    Former(former::ListArgs),
    /// Delete the accounts at a former Supabase project that wait for its credentials
    #[command(
        after_long_help = "It reads the project's old settings from the environment (or from .env in \
development), under names of their own:\n\n  \
FORMER_SUPABASE_URL          what SUPABASE_URL was\n  \
FORMER_SUPABASE_SERVICE_KEY  what SUPABASE_SERVICE_KEY was, or a new service_role or secret key\n  \
FORMER_SUPABASE_ISSUER       what SUPABASE_ISSUER was, if it was set\n\n\
Only accounts of people who were deleted here are deleted there. An account comes off the list once the \
project has deleted it or does not know it; on any other answer it stays. Interrupted or given again, the \
command goes on with what is left. It runs beside serve, and exits with 1 as long as a deletion waits."
    )]
    FinishFormer(former::FinishArgs),
}

pub(super) async fn run(args: Args, config: Config) -> Result<(), Failure> {
    start_logging(&config.logging).map_err(|error| Failure::Configuration(error.into()))?;
    match args.command {
        Command::Switch { yes: true } => switch(&config).await,
        Command::Switch { yes: false } => Err(Failure::Other(anyhow!(
            "this would sign everybody out and take identities from {}; add --yes to do it",
            wanted(&config)
        ))),
        Command::Former(args) => former::list(&args, &config).await,
        Command::FinishFormer(args) => former::finish(&args, &config).await,
    }
}

fn wanted(config: &Config) -> String {
    match &config.identity {
        IdentityConfig::Local => "this backend itself (IDENTITY=local)".to_owned(),
        IdentityConfig::Supabase(supabase) => supabase.issuer.clone(),
    }
}

async fn switch(config: &Config) -> Result<(), Failure> {
    let now = Clock::System.now();
    let store = Store::open(&config.database, config.environment, now).await?;
    let switched = switch_identity(&config.identity, &store, now).await;
    if switched.is_ok() {
        let event = Event::new(EventKind::IdentitySwitch, "switched");
        audit::record(&store, event, now).await;
    }
    let left = former::accounts_left(&store).await;
    store.close().await;
    let ended = switched.map_err(|error| Failure::Database(error.into()))?;
    eprintln!(
        "identities now come from {}; {ended} session(s) ended",
        wanted(config)
    );
    if left? > 0 {
        eprintln!(
            "accounts stay at the former provider: `archety-backend identity former` counts them"
        );
    }
    Ok(())
}

/// Looks at the provider's settings before anything listens. A project whose settings let strangers in by a
/// side door is refused in production.
pub(super) async fn look_at_settings(
    config: &Config,
    identity: &Arc<Identity>,
) -> Result<SettingsWatch, Failure> {
    let watch = SettingsWatch {
        identity: Arc::clone(identity),
        codes: CodesBy::of(&config.otp.provider),
        environment: config.environment,
        is_usable: true,
    };
    match watch.check().await {
        Checked::NotNeeded => tracing::warn!("Supabase not enabled"),
        Checked::Answered(problems) => {
            report(&problems, config)?;
            count(&problems);
            announce(&problems);
        }
        Checked::Unreachable => {
            tracing::warn!(
                "Supabase does not answer; nobody signs in until it does, and its settings are looked at then"
            );
            return Ok(SettingsWatch {
                is_usable: false,
                ..watch
            });
        }
    }
    Ok(watch)
}

/// Looks at the provider's settings now and then, for as long as the process serves, and raises an alarm
/// when they open a side door. In production `identity` refuses every sign-in meanwhile.
pub(super) struct SettingsWatch {
    identity: Arc<Identity>,
    codes: CodesBy,
    environment: Environment,
    is_usable: bool,
}

enum Checked {
    NotNeeded,
    Answered(Vec<SettingsProblem>),
    Unreachable,
}

impl SettingsWatch {
    async fn check(&self) -> Checked {
        let Identity::Supabase(supabase) = &*self.identity else {
            return Checked::NotNeeded;
        };
        let checked = tokio::time::timeout(CHECK_TIMEOUT, supabase.check_settings(self.codes));
        match checked.await {
            Ok(Ok(problems)) => Checked::Answered(problems),
            Ok(Err(_)) | Err(_) => Checked::Unreachable,
        }
    }

    /// Never ends.
    pub(super) async fn run(mut self) {
        loop {
            tokio::time::sleep(if self.is_usable {
                CHECK_EVERY
            } else {
                CHECK_AGAIN_AFTER
            })
            .await;
            let Checked::Answered(problems) = self.check().await else {
                continue;
            };
            count(&problems);
            for problem in &problems {
                tracing::error!(key = problem.key(), "{problem}");
            }
            let was_usable = self.is_usable;
            let is_fatal = |problem: &SettingsProblem| problem.is_fatal(self.environment);
            self.is_usable = !problems.iter().any(is_fatal);
            if !self.is_usable {
                tracing::error!(
                    "every sign-in is refused until that is mended; looking again soon"
                );
            } else if !was_usable {
                announce(&problems);
            }
        }
    }
}

fn count(problems: &[SettingsProblem]) {
    let count = u32::try_from(problems.len()).unwrap_or(0);
    metrics::gauge!("supabase_settings_problems").set(count);
}

fn announce(problems: &[SettingsProblem]) {
    if problems.iter().all(|problem| problem.is_usable()) {
        tracing::info!("Supabase client initialized");
    } else {
        tracing::error!("nobody can sign in with Supabase until that is mended");
    }
}

fn report(problems: &[SettingsProblem], config: &Config) -> Result<(), Failure> {
    let is_fatal = |problem: &&SettingsProblem| problem.is_fatal(config.environment);
    let fatal: Vec<String> = problems
        .iter()
        .filter(is_fatal)
        .map(|problem| format!("\n  {}: {problem}", problem.key()))
        .collect();
    if !fatal.is_empty() {
        return Err(Failure::Configuration(anyhow!(
            "the Supabase project has {} problem(s):{}",
            fatal.len(),
            fatal.concat()
        )));
    }
    for problem in problems {
        tracing::warn!(key = problem.key(), "{problem}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Variables;

    #[test]
    fn side_doors_are_a_reason_not_to_start_in_production() {
        const SESSION: &str = "b0325f9c29ab874fbe5c236c8fd76dd49a696fac3c72af33311cdee85730c2f5";
        const RELAY: &str = "f4167fe9a6fb21c927c0508028dacf62874a6613bbb66e53953763b9d7b31fae";
        let config = |environment: &'static str| {
            let variables = [
                ("APP_ENV", environment),
                ("IDENTITY", "local"),
                ("SESSION_SECRET", SESSION),
                ("RELAY_WEBHOOK_SECRET", RELAY),
                ("TRUSTED_PROXIES", "none"),
                ("PUBLIC_URL", "https://api.example.com"),
                ("DATABASE_URL", "postgres://db.example.com/a"),
                ("TWILIO_ACCOUNT_SID", "AC00"),
                ("TWILIO_AUTH_TOKEN", "00"),
                ("TWILIO_VERIFY_SERVICE_SID", "VA00"),
            ];
            Config::from_variables(&Variables::of(variables)).expect("valid")
        };
        let problems = [
            SettingsProblem::PublicSignup,
            SettingsProblem::PhoneAutoconfirm,
        ];
        assert!(report(&problems, &config("development")).is_ok());
        assert!(report(&[], &config("production")).is_ok());
        let refused = report(&problems, &config("production")).expect_err("two doors");
        let told = refused.to_string();
        assert!(told.contains("2 problem(s)"), "{told}");
        assert!(told.contains("anybody may sign up"), "{told}");
        assert!(report(&[SettingsProblem::SignupClosed], &config("production")).is_ok());
    }
}
