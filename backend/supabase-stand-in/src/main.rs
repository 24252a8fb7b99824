//! Runs the stand-in as a program, for demonstrations: prints the settings for a backend that uses it, then serves
//! until Ctrl-C. Users and sessions are lost when the program ends.

use std::process::ExitCode;

use clap::Parser;
use stand_in::serve_until_interrupted;
use supabase_stand_in::{Settings, Signing, StandIn};

/// Answers as a Supabase Auth server does. Prints its address and keys as KEY=VALUE lines.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port to listen on, on the loopback address; 0 takes a free one.
    #[arg(long, default_value_t = 54321)]
    port: u16,

    /// Sign access tokens with the legacy secret instead of a key pair.
    #[arg(long)]
    hs256: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = Settings {
        port: arguments.port,
        signing: if arguments.hs256 {
            Signing::Hs256
        } else {
            Signing::Es256
        },
        ..Settings::default()
    };
    serve_until_interrupted(arguments.port, StandIn::start(settings), print).await
}

fn print(stand_in: &StandIn) {
    println!("SUPABASE_URL={}", stand_in.hosted_url());
    println!("SUPABASE_ANON_KEY={}", stand_in.anon_key());
    println!("SUPABASE_SERVICE_KEY={}", stand_in.service_key());
    println!("# the new kind of keys, for the same two variables:");
    println!("# SUPABASE_ANON_KEY={}", stand_in.publishable_key());
    println!("# SUPABASE_SERVICE_KEY={}", stand_in.secret_key());
}
