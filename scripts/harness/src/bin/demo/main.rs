//! `scripts/demo`: a conversation arrives in a chat.db, and each message is printed when it is stored.
//!
//! Relay and backend are the real programs, started as an owner starts them; only Messages and `osascript` are
//! stand-ins, and the backend answers from a table. The last two lines have the totals of both directions. The exit
//! code is 0 if no message was lost or stored twice, and no reply was lost or sent twice.

mod conversation;
mod replies;
mod table;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use archety_harness::{Backend, BackendDatabase, BackendStore, Binaries, Mac, Relay, Secret};
use clap::Parser;
use messages_stand_in::Style;
use messages_stand_in::osascript::Control;

use conversation::{ADA, BOB, EVE, converse};
use replies::follow_replies;
use table::{DeliveryTable, print_heading};

/// Shows the whole product at work on this machine, without a Mac and without any account.
#[derive(Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Leave backend and relay running afterwards, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Which macOS the chat.db looks like: monterey, ventura, sequoia, tahoe, macos27
    #[arg(long, default_value = "tahoe")]
    style: Style,
    /// Messages that are in chat.db before the relay starts; none of them is relayed
    #[arg(long, default_value_t = 2_000)]
    older: u32,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let binaries = Binaries::beside_this_program()?;
    let folder = tempfile::Builder::new().prefix("archety-demo-").tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let secret = Secret::default();
    let database = path("backend.db");

    let mut mac = Mac::create(folder.path(), arguments.style)?;
    mac.fill(&[ADA, BOB, EVE], arguments.older)?;
    let mut backend = Backend::start(
        &binaries,
        &BackendStore::Sqlite(database.clone()),
        &secret,
        0,
        &[("RESPONDER", "canned")],
        &path("backend.log"),
    )?;
    let (url, state) = (backend.url(), path("relay"));
    let osascript = Control::beside(mac.chat_db());
    let program = osascript.install(folder.path(), &binaries.messages_stand_in())?;
    let mut relay = Relay::start(
        &binaries,
        mac.chat_db(),
        &state,
        &url,
        &secret,
        &[("ARCHETY_OSASCRIPT", &program.to_string_lossy())],
        &path("relay.log"),
    )?;
    relay.wait_until_reading(&state)?;
    println!("backend  {url}, storing in {}", database.display());
    println!(
        "chat.db  {} ({}, {} older messages)",
        mac.chat_db().display(),
        arguments.style,
        arguments.older
    );
    println!("relay    reading chat.db, posting to the backend\n");

    let mut table = DeliveryTable::new(BackendDatabase::open(&database)?);
    print_heading();
    converse(&mut mac, &mut table)?;
    // Messages that were stored twice or should not be relayed at all would arrive in this time.
    table.watch_for(Duration::from_millis(500))?;
    let replies = follow_replies(&BackendDatabase::open(&database)?, &osascript)?;
    // A reply that the relay takes for a message of the owner would arrive in this time.
    table.watch_for(Duration::from_millis(500))?;
    let summary = table.summary();
    println!("\n{summary}\n{replies}");
    if arguments.keep {
        keep_running(&folder.keep(), &url)?;
    }
    relay.process.terminate()?;
    backend.process.terminate()?;
    Ok(if summary.is_complete() && replies.is_complete() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn keep_running(folder: &Path, url: &str) -> anyhow::Result<()> {
    let folder = folder.display();
    println!("\nstill running (Ctrl-C ends it); in another terminal:");
    println!("  curl {url}/healthz");
    println!("  ARCHETY_STATE_DIR={folder}/relay target/debug/archety-relay status");
    println!("  sqlite3 {folder}/backend.db 'select event, sender, text from messages'");
    println!("everything lies in {folder}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(tokio::signal::ctrl_c())
        .context("cannot wait for Ctrl-C")
}
