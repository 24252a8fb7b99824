//! `person export` and `person delete`: exports or deletes all data of a contact handle.
//!
//! Both commands cover the people who have or had the handle as their number, also those who never signed in, and the
//! rows that name the handle but belong to no person.

use std::io::Write;

use anyhow::Context;
use clap::Subcommand;
use shared_protocol::Address;
use uuid::Uuid;

use super::{Failure, handle_input, with_store};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::former_accounts;
use crate::ids::random_bytes;
use crate::people::{Export, HandleExport, delete_handle, delete_person};
use crate::services::keyring;
use crate::store::Store;
use crate::store::people::{HandleRows, Reader};

/// How many pieces of the document are printed between two lines of progress.
const PIECES_PER_PROGRESS_LINE: usize = 20;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print all that is kept about a handle and its people as JSON
    #[command(
        after_long_help = "The handle (a phone number, an e-mail address, a short code) is read from \
standard input, so that it appears neither in the list of processes nor in the shell's history:\n\n  \
archety-backend person export < handle.txt > export.json\n\n\
Prefixes, spaces and capitals are ignored: `E:Ann@Example.com` and `mailto:ann@example.com` are one \
handle. The command prints one document {\"people\": […], \"handle\": {…}}. `people` has the person with this \
number and those who had it before; a number that was silent for half a year is taken to have a new owner. \
`handle` has what is stored under the handle and belongs to no person; if the handle is no phone number, that is \
everything. Progress goes to standard error."
    )]
    Export {
        /// A number in international form, instead of standard input; other users of this machine can see it
        #[arg(long)]
        phone: Option<String>,
    },
    /// Delete a handle's people and all their data, for good
    #[command(
        after_long_help = "The handle (a phone number, an e-mail address, a short code) is read from \
standard input, so that it appears neither in the list of processes nor in the shell's history:\n\n  \
archety-backend person delete --yes < handle.txt\n\n\
Without --yes the command only prints what would be deleted. Two sorts of keyed hashes stay: those of the \
messages, for 30 days, so that a late retry does not store a message again, and that of a person's wish to get no \
messages. Accounts at the identity provider are deleted by serve, soon after; accounts at a provider that was used \
before `identity switch` stay until `identity finish-former` deletes them. If the command is interrupted, serve \
finishes the deletion, or the command itself when it is given again."
    )]
    Delete {
        /// A number in international form, instead of standard input; other users of this machine can see it
        #[arg(long)]
        phone: Option<String>,
        /// Do it; without this flag nothing is deleted
        #[arg(long)]
        yes: bool,
    },
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let (Command::Export { phone } | Command::Delete { phone, .. }) = &args.command;
    let address = handle_input::read(phone.as_deref())?;
    with_store(config, async |store, now| {
        let traces = store.traces(&address, None).await?;
        match args.command {
            Command::Delete { yes: true, .. } => delete(store, config, &address, traces, now).await,
            _ if traces.is_empty() => Err(Failure::new(unknown_handle(&address))),
            Command::Export { .. } => export(store, &address, &traces, now).await,
            Command::Delete { yes: false, .. } => Err(Failure::new(format_args!(
                "this would delete for good: {}; add --yes to do it",
                summary(&traces)
            ))),
        }
    })
    .await
}

async fn export(
    store: &Store,
    address: &Address,
    traces: &HandleRows,
    now: Timestamp,
) -> Result<(), Failure> {
    print_piece("{\"people\":")?;
    export_people(store, &traces.people, now, &mut print_piece).await?;
    print_piece(",\"handle\":")?;
    let mut export = HandleExport::begin(store, address, traces, now).await?;
    while let Some(piece) = export.next_piece().await? {
        print_piece(&piece)?;
    }
    print_piece("}\n")?;
    eprintln!("exported: {}", summary(traces));
    Ok(())
}

/// Prints a list with the data of each person. A person who was deleted meanwhile is left out.
async fn export_people(
    store: &Store,
    people: &[Uuid],
    now: Timestamp,
    print: &mut impl FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    print("[")?;
    let mut separator = "";
    for (number, user_id) in (1..).zip(people) {
        let Some(mut export) = Export::begin(store, Reader::Operator(*user_id), now).await? else {
            continue;
        };
        print(separator)?;
        separator = ",";
        let mut pieces = 0;
        while let Some(piece) = export.next_piece().await? {
            print(&piece)?;
            pieces += 1;
            if pieces % PIECES_PER_PROGRESS_LINE == 0 {
                eprintln!("person {number} of {}: {pieces} pieces", people.len());
            }
        }
    }
    print("]")
}

async fn delete(
    store: &Store,
    config: &Config,
    address: &Address,
    traces: HandleRows,
    now: Timestamp,
) -> Result<(), Failure> {
    let keyring = keyring(config, &mut rand::rng())?;
    let pepper = store.pepper(&keyring, random_bytes(), now).await?;
    let people = traces.people.clone();
    let accounts_at_former_providers = former_accounts::count_accounts_of(store, &people).await?;
    for (number, user_id) in (1..).zip(&people) {
        eprintln!("deleting person {number} of {}", people.len());
        delete_person(store, &pepper, &keyring, *user_id, now).await?;
    }
    let remaining = if people.is_empty() {
        traces
    } else {
        store.traces(address, None).await?
    };
    // `delete_handle` runs even if `remaining` is empty: it also deletes codes, which `traces` cannot find because
    // they are stored only under the number's keyed hash.
    let rows_of_others = delete_handle(store, &pepper, &keyring, address, &remaining, now).await?;
    if people.is_empty() && remaining.is_empty() {
        eprintln!("nothing was deleted: {}", unknown_handle(address));
        return Ok(());
    }
    eprintln!(
        "{} person(s) deleted, {} conversation(s) that are no person's, and the handle from {rows_of_others} \
         chat(s) and message(s) of others",
        people.len(),
        remaining.conversations.len(),
    );
    if accounts_at_former_providers > 0 {
        eprintln!(
            "{accounts_at_former_providers} account(s) at a former identity provider are still to be deleted \
             there: give `archety-backend identity finish-former` the old credentials"
        );
    }
    Ok(())
}

fn unknown_handle(address: &Address) -> &'static str {
    if address.is_phone() {
        "no person is known by this number"
    } else {
        "nothing is known of this handle"
    }
}

/// Says in one line how many people and rows `traces` has.
fn summary(traces: &HandleRows) -> String {
    format!(
        "{} person(s) with all their data; beside them {} conversation(s), {} message(s), {} place(s) \
         among participants and mentions",
        traces.people.len(),
        traces.conversations.len(),
        traces.messages.len(),
        traces.memberships.len() + traces.mentioned_as.len(),
    )
}

/// Prints a piece of the document. The command fails if the reader has closed the pipe.
fn print_piece(text: &str) -> Result<(), Failure> {
    let result = std::io::stdout().write_all(text.as_bytes());
    Ok(result.context("standard output is closed")?)
}

#[cfg(test)]
mod tests;
