//! `person export` and `person delete`: exports or deletes all data of a contact handle.
//!
//! Both commands cover the people who have or had the number, also those who never signed in, and the rows that
//! name the handle but belong to no person.

use std::io::Write;

use anyhow::Context;
use clap::Subcommand;
use shared_protocol::Address;

use super::{Failure, handle_input, with_store};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::former_accounts;
use crate::ids::random_bytes;
use crate::people::{Export, HandleExport, delete_handle, delete_person};
use crate::services::keyring;
use crate::store::Store;
use crate::store::people::{HandleRows, Reader};

/// The number of pieces of the document from one line of progress to the next.
const PIECES_PER_PROGRESS: usize = 20;

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
standard input, so that it stands in no list of processes and no history of a shell:\n\n  \
archety-backend person export < handle.txt > export.json\n\n\
Prefixes, spaces and capitals count for nothing: `E:Ann@Example.com` and `mailto:ann@example.com` are one \
handle. One document {\"people\": […], \"handle\": {…}}: the person who has the number and those who had it \
before it was silent for half a year; then what stands under the handle and is no person's, which is \
everything where the handle is no phone number. Progress goes to standard error."
    )]
    Export {
        /// A number in international form, instead of standard input; other users of this machine can see
        /// it
        #[arg(long)]
        phone: Option<String>,
    },
    /// Delete a handle's people and all that is theirs, for good
    #[command(
        after_long_help = "The handle (a phone number, an e-mail address, a short code) is read from \
standard input, so that it stands in no list of processes and no history of a shell:\n\n  \
archety-backend person delete --yes < handle.txt\n\n\
Without --yes it is only told what would go. Keyed hashes stay: of the messages for 30 days, so that a late \
retry does not bring one back, and of a wish for no messages. Accounts at the identity provider are deleted \
by serve, soon after; those at a provider of before `identity switch` wait for `identity finish-former`. A command that is interrupted is finished by serve, or by giving it again."
    )]
    Delete {
        /// A number in international form, instead of standard input; other users of this machine can see
        /// it
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
    let people = &traces.people;
    print("{\"people\":[")?;
    for (number, user_id) in (1..).zip(people) {
        let Some(mut export) = Export::begin(store, Reader::Operator(*user_id), now).await? else {
            continue;
        };
        if number > 1 {
            print(",")?;
        }
        let mut pieces = 0;
        while let Some(piece) = export.next_piece().await? {
            print(&piece)?;
            pieces += 1;
            if pieces % PIECES_PER_PROGRESS == 0 {
                eprintln!("person {number} of {}: {pieces} pieces", people.len());
            }
        }
    }
    print("],\"handle\":")?;
    let mut export = HandleExport::begin(store, address, traces, now).await?;
    while let Some(piece) = export.next_piece().await? {
        print(&piece)?;
    }
    print("}\n")?;
    eprintln!("exported: {}", summary(traces));
    Ok(())
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
    let accounts_elsewhere = former_accounts::count_accounts_of(store, &people).await?;
    for (number, user_id) in (1..).zip(&people) {
        eprintln!("deleting person {number} of {}", people.len());
        delete_person(store, &pepper, &keyring, *user_id, now).await?;
    }
    let remaining = if people.is_empty() {
        traces
    } else {
        store.traces(address, None).await?
    };
    // `delete_handle` runs even without rows: codes, which are stored only under the number's keyed hash, are
    // deleted too.
    let removed_elsewhere =
        delete_handle(store, &pepper, &keyring, address, &remaining, now).await?;
    if people.is_empty() && remaining.is_empty() {
        eprintln!("nothing is there: {}", unknown_handle(address));
        return Ok(());
    }
    eprintln!(
        "{} person(s) deleted, {} conversation(s) that are no person's, and the handle from {removed_elsewhere} \
         chat(s) and message(s) of others",
        people.len(),
        remaining.conversations.len(),
    );
    if accounts_elsewhere > 0 {
        eprintln!(
            "{accounts_elsewhere} account(s) at a former identity provider wait to be deleted there: give \
             `archety-backend identity finish-former` the old credentials"
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

/// The number of rows of each sort about a handle, as text.
fn summary(traces: &HandleRows) -> String {
    format!(
        "{} person(s) with all that is theirs; beside them {} conversation(s), {} message(s), {} place(s) \
         among participants and mentions",
        traces.people.len(),
        traces.conversations.len(),
        traces.messages.len(),
        traces.memberships.len() + traces.mentioned_as.len(),
    )
}

/// Prints a piece of the document. The command fails if the reader has closed the pipe.
fn print(text: &str) -> Result<(), Failure> {
    let result = std::io::stdout().write_all(text.as_bytes());
    Ok(result.context("standard output is closed")?)
}
