//! Runs the stand-in as a program, for demonstrations: prints the settings for a backend that uses it, then serves
//! until Ctrl-C. No message is sent; codes are printed to standard error.

use std::process::ExitCode;

use clap::Parser;
use stand_in::serve_until_interrupted;
use twilio_stand_in::{Announce, Settings, StandIn};

/// Answers as Twilio Verify does. Prints its address and credentials as KEY=VALUE lines.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port to listen on, on the loopback address; 0 takes a free one.
    #[arg(long, default_value_t = 54322)]
    port: u16,

    /// The code of every verification; random without.
    #[arg(long)]
    code: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = Settings {
        port: arguments.port,
        fixed_code: arguments.code,
        announce: Announce::OnStderr,
        ..Settings::default()
    };
    let print = |stand_in: &StandIn| {
        for (name, value) in stand_in.variables() {
            println!("{name}={value}");
        }
    };
    serve_until_interrupted(arguments.port, StandIn::start(settings), print).await
}
