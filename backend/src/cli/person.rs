//! `person export|delete --phone`: for people who never signed in, and for those who had a number before
//! somebody else.

use std::io::Write;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use uuid::Uuid;

use super::pepper::pepper;
use super::{Failure, identity};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::people::{Export, delete_person};
use crate::store::people::Reader;
use crate::store::{Store, StoreError};
use crate::telemetry::start_logging;

/// How often progress is told, in pieces of the document.
const TELL_EVERY: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print all that is kept about a number's people as JSON
    #[command(
        after_long_help = "One document {\"people\": […]}: whoever has the number, and whoever \
had it before it was silent for half a year. Progress goes to standard error."
    )]
    Export {
        /// The number in international form, such as +15551234567
        #[arg(long)]
        phone: String,
    },
    /// Delete a number's people and all that is theirs, for good
    #[command(
        after_long_help = "Keyed hashes stay: of their messages for 30 days, so that a late retry \
does not bring one back, and of a wish for no messages. Accounts at the identity provider are deleted \
by serve, soon after."
    )]
    Delete {
        /// The number in international form, such as +15551234567
        #[arg(long)]
        phone: String,
        /// Do it; without this flag nothing is deleted
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(args: Args, config: Config) -> Result<(), Failure> {
    start_logging(&config.logging).map_err(|error| Failure::Configuration(error.into()))?;
    let now = Clock::System.now();
    let store = Store::open_beside(&config.database, config.environment, now).await?;
    let done = match args.command {
        Command::Export { phone } => export(&store, phone.trim(), now).await,
        Command::Delete { phone, yes: true } => delete(&store, &config, phone.trim(), now).await,
        Command::Delete { phone, yes: false } => refuse(&store, phone.trim()).await,
    };
    store.close().await;
    done
}

async fn export(store: &Store, phone: &str, now: Timestamp) -> Result<(), Failure> {
    let people = people_of(store, phone).await?;
    if people.is_empty() {
        return Err(Failure::Other(anyhow!("nobody is known by this number")));
    }
    print("{\"people\":[")?;
    for (n, user_id) in (1..).zip(&people) {
        let export = Export::begin(store, Reader::Operator(*user_id), now).await;
        let Some(mut export) = export.map_err(failed)? else {
            continue;
        };
        if n > 1 {
            print(",")?;
        }
        let mut pieces = 0;
        while let Some(piece) = export.next_piece().await.map_err(failed)? {
            print(&piece)?;
            pieces += 1;
            if pieces % TELL_EVERY == 0 {
                eprintln!("person {n} of {}: {pieces} pieces", people.len());
            }
        }
    }
    print("]}\n")?;
    eprintln!("{} person(s) exported", people.len());
    Ok(())
}

async fn refuse(store: &Store, phone: &str) -> Result<(), Failure> {
    let people = people_of(store, phone).await?.len();
    Err(Failure::Other(anyhow!(
        "this would delete {people} person(s) for good; add --yes to do it"
    )))
}

async fn delete(
    store: &Store,
    config: &Config,
    phone: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let people = people_of(store, phone).await?;
    let keyring = identity::keyring(config)?;
    let pepper = pepper(store, &keyring, now).await?;
    for (n, user_id) in (1..).zip(&people) {
        eprintln!("deleting person {n} of {}", people.len());
        let deleted = delete_person(store, &pepper, &keyring, *user_id, now).await;
        deleted.map_err(failed)?;
    }
    let places = store.forget_number(phone, &pepper).await.map_err(failed)?;
    if people.is_empty() && places == 0 {
        eprintln!("nothing is there: nobody is known by this number");
        return Ok(());
    }
    eprintln!(
        "{} person(s) deleted, and the number from {places} chat(s) and message(s) of others",
        people.len()
    );
    Ok(())
}

async fn people_of(store: &Store, phone: &str) -> Result<Vec<Uuid>, Failure> {
    let holders = store.holders(phone).await.map_err(failed)?;
    Ok(holders.into_iter().map(|(user_id, _)| user_id).collect())
}

fn failed(error: StoreError) -> Failure {
    Failure::Database(error.into())
}

/// What is printed to a pipe that has closed is no use to anybody, so that ends the command.
fn print(text: &str) -> Result<(), Failure> {
    let written = std::io::stdout().write_all(text.as_bytes());
    Ok(written.context("standard output is closed")?)
}
