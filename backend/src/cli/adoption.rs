//! `adoption flagged`: numbers of an adopted database that cannot sign in.

use clap::Subcommand;

use super::Failure;
use crate::cli::output::say;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{FlaggedPerson, Store};
use crate::telemetry::start_logging;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List adopted numbers that nobody can sign in with, and why
    #[command(
        after_long_help = "An older deployment's numbers are adopted as they are. `not_e164` is not \
written as sign-in writes numbers (+ and 7 to 15 digits); `collides` would be another person's number \
once it were. Nobody is merged: set `phone` of the one who has the number, and `phone_flag` to null, or \
delete the person who has it no more."
    )]
    Flagged {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(args: Args, config: Config) -> Result<(), Failure> {
    let Command::Flagged { json } = args.command;
    start_logging(&config.logging).map_err(|error| Failure::Configuration(error.into()))?;
    let now = Clock::System.now();
    let store = Store::open_beside(&config.database, config.environment, now).await?;
    let flagged = store.flagged_people().await;
    store.close().await;
    let flagged = flagged.map_err(|error| Failure::Database(error.into()))?;
    if json {
        let list: Vec<_> = flagged.iter().map(as_json).collect();
        say!("{}", serde_json::Value::Array(list));
        return Ok(());
    }
    for person in &flagged {
        let FlaggedPerson {
            id,
            phone,
            flag,
            messages,
        } = person;
        say!("{id}  {flag:<9} {phone:<24} {messages} message(s)");
    }
    if flagged.is_empty() {
        eprintln!("no number is flagged");
    }
    Ok(())
}

fn as_json(person: &FlaggedPerson) -> serde_json::Value {
    serde_json::json!({
        "user_id": person.id,
        "phone": person.phone,
        "flag": person.flag,
        "messages": person.messages,
    })
}
