//! The command line, one file for each command. Data goes to stdout, notes and logs to stderr.
//!
//! All commands but `run` can use the state while a relay runs on it.

mod config;
mod decode;
pub mod flags;
mod ledger;
mod outbox;
pub mod output;
mod quarantine;
mod record;
mod relay_move;
mod report;
mod run;
mod sending;
mod status;
mod trace;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::dispatch::SendLimits;
use crate::lifecycle::ExitCode;
use flags::ConfigFlags;

const AFTER_HELP: &str = "\
Configuration comes from config.toml, then the environment, then flags; `archety-relay config show`
tells where each value comes from. The secret is never a flag: set RELAY_WEBHOOK_SECRET, or write it
into the file `secret` in the state's folder.

Exit codes:
   0  done, or stopped as asked
   1  it failed, or what was asked for is not there
   2  the command line is wrong
  75  try again later: another relay runs, the disk is full, the state is locked, or a part
      of the relay ended by itself
  77  a permission is missing
  78  the configuration or the state needs its owner

First steps:
  archety-relay config init --write   a commented configuration, where the relay looks for it;
                                      set backend_url in it, and the secret as it says
  archety-relay config show           what holds now, and what is still wrong
  archety-relay run                   watch and deliver, until stopped
  archety-relay status                how it is doing";

/// Watches Messages' chat.db and carries each message to archety-backend, once.
#[derive(Debug, Parser)]
#[command(name = "archety-relay", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    flags: ConfigFlags,
}

/// The help of a command is the doc comment of its `Args`: a comment here would replace it.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Status(status::Args),
    #[command(subcommand)]
    Outbox(outbox::Command),
    #[command(subcommand)]
    Quarantine(quarantine::Command),
    #[command(subcommand)]
    Ledger(ledger::Command),
    Pause(sending::Pause),
    Resume(sending::Resume),
    Move(relay_move::Args),
    Trace(trace::Args),
    Report(report::Args),
    Record(record::Args),
    Decode(decode::Args),
    #[command(subcommand)]
    Config(config::Command),
    /// Print completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

impl Cli {
    /// Parses the command line of this process. `replay` was a command once, so its error names the program
    /// that took its place.
    pub fn from_arguments() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let unknown = error.get(ContextKind::InvalidSubcommand);
            if unknown != Some(&ContextValue::String("replay".to_owned())) {
                error.exit()
            }
            let hint =
                "replaying is a program of its own: run `archety-replay` with the same options";
            Self::command()
                .error(ErrorKind::InvalidSubcommand, hint)
                .exit()
        })
    }

    /// Runs the command and prints its error to stderr. A relay that runs keeps to `limits` when it sends.
    pub fn execute(self, limits: SendLimits) -> ExitCode {
        let result = match self.command {
            Command::Run(args) => args.execute(&self.flags, limits),
            Command::Status(args) => args.execute(&self.flags),
            Command::Outbox(command) => command.execute(&self.flags),
            Command::Quarantine(command) => command.execute(&self.flags),
            Command::Ledger(command) => command.execute(&self.flags),
            Command::Pause(sending::Pause {}) => sending::Pause::execute(&self.flags),
            Command::Resume(sending::Resume {}) => sending::Resume::execute(&self.flags),
            Command::Move(args) => args.execute(&self.flags),
            Command::Trace(args) => args.execute(&self.flags),
            Command::Report(args) => args.execute(&self.flags),
            Command::Record(args) => args.execute(&self.flags),
            Command::Decode(args) => args.execute(),
            Command::Config(command) => command.execute(&self.flags),
            Command::Completions { shell } => {
                let name = "archety-relay";
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), name, &mut script);
                output::text(&script).map(|()| ExitCode::Done)
            }
        };
        output::end("archety-relay", result)
    }
}

#[cfg(test)]
mod tests;
