//! The `archety-backend` binary: parses the command line, runs one command and returns its exit code.

use std::process::ExitCode;

use archety_backend::cli::{Cli, run};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("archety-backend: cannot start: {error}");
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("archety-backend: {failure}");
            failure.exit_code()
        }
    }
}
