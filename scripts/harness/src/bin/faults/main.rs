//! `scripts/faults`: shows what is left of replies after programs die, replicas restart and databases are restored.
//!
//! Relay and backend are the real programs, except that the relay's times of sending are divided by a number. Messages
//! and `osascript` are stand-ins, and the backend answers from a table. After a run, chat.db, the log of the stand-in,
//! the backend's database and the relay's ledger are compared, bubble by bubble. The exit code is 1 if a bubble was lost,
//! doubled or out of order, or if what was to be shown did not happen.

mod balancer;
mod crash_table;
mod database;
mod feed;
mod judge;
mod ledger;
mod modes;
mod postgres;
mod replicas;
mod restores;
mod stage;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Shows that each bubble is seen once or listed for the owner, whatever dies.
#[derive(Parser)]
#[command(name = "faults")]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand)]
enum Scenario {
    CrashTable(crash_table::Arguments),
    Replicas(replicas::Arguments),
    Restores(restores::Arguments),
    /// Print a TCP port that is free, and nothing else
    #[command(hide = true)]
    FreePort,
}

fn main() -> ExitCode {
    let shown = match Arguments::parse().scenario {
        Scenario::CrashTable(arguments) => crash_table::show(&arguments),
        Scenario::Replicas(arguments) => replicas::show(&arguments),
        Scenario::Restores(arguments) => restores::show(&arguments),
        Scenario::FreePort => print_free_port(),
    };
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn print_free_port() -> anyhow::Result<bool> {
    println!("{}", archety_harness::free_port()?);
    Ok(true)
}
