//! `adoption flagged`: lists the phone numbers of an adopted database with which their owners cannot sign in.

use clap::Subcommand;
use serde_json::json;

use super::output::ListArgs;
use super::{Failure, with_store};
use crate::config::Config;
use crate::store::FlaggedPerson;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List adopted numbers that cannot be used to sign in, and why
    #[command(
        after_long_help = "The adoption keeps phone numbers as the older deployment wrote them. A line \
says what is wrong with a number: `not_e164` is not written as sign-in writes numbers (+ and 7 to 15 digits); \
`collides` would be the number of another person too if it were written that way. Two people are never merged. \
Correct the table `users` by hand: set `phone` of the person who has the number to it, and `phone_flag` to null; \
delete a person who no longer has the number."
    )]
    Flagged(ListArgs),
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let Command::Flagged(list) = args.command;
    let flagged = with_store(config, async |store, _| Ok(store.flagged_people().await?)).await?;
    list.print(
        &flagged,
        |person| json!(person),
        as_line,
        "no number is flagged",
    );
    Ok(())
}

fn as_line(person: &FlaggedPerson) -> String {
    let FlaggedPerson {
        id,
        phone,
        flag,
        messages,
    } = person;
    format!("{id}  {flag:<9} {phone:<24} {messages} message(s)")
}
