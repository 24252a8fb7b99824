//! `secret new`: prints a new relay secret in the format of Standard Webhooks.

use clap::Subcommand;
use shared_protocol::{RelayName, SigningKey};

use super::output::print_line;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print a new secret of 32 random bytes
    #[command(
        after_long_help = "To rotate the secret without a refused message:\n  \
1. append the new secret to RELAY_WEBHOOK_SECRET of the backend, after a comma, and deploy\n  \
2. give the relay the new secret\n  \
3. remove the old secret from RELAY_WEBHOOK_SECRET and deploy"
    )]
    New {
        /// The relay's name, which is written before the secret: name:secret
        #[arg(long, value_parser = parse_name)]
        name: Option<RelayName>,
    },
}

pub(super) fn run(args: Args) {
    let Command::New { name } = args.command;
    let secret = SigningKey::from_bytes(rand::random()).to_whsec();
    match name {
        Some(name) => print_line!("{name}:{}", secret.as_str()),
        None => print_line!("{}", secret.as_str()),
    }
}

pub(super) fn parse_name(text: &str) -> Result<RelayName, String> {
    RelayName::parse(text).map_err(|error| error.to_string())
}
