//! `messages-stand-in`: builds a chat.db, plays a script into one over time, or acts as `osascript`.
//!
//! Data goes to stdout, errors to stderr.

mod clock;
mod commands;
mod osascript_command;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use commands::Cli;

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let result = match osascript_command::by_name_or_environment() {
        Some(arguments) => osascript_command::run_as_named(&arguments, &mut out),
        None => commands::run(Cli::parse(), &mut out),
    };
    match result {
        Ok(code) => code,
        // The program that reads the output has closed the pipe, which is no error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // An error of stderr itself cannot be reported.
            let _ = writeln!(io::stderr(), "messages-stand-in: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
