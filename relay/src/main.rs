//! `archety-relay`: reads the command line, runs the command, ends with its exit code.

use clap::Parser;

fn main() -> std::process::ExitCode {
    archety_relay::cli::Cli::parse().execute().into()
}
