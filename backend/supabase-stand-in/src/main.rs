//! Runs the stand-in by itself, for demonstrations: prints what to configure, then serves until it is
//! stopped. Everything is forgotten then.

use std::process::ExitCode;

use clap::Parser;
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
    let stand_in = match StandIn::start(settings).await {
        Ok(stand_in) => stand_in,
        Err(problem) => {
            eprintln!("cannot listen on port {}: {problem}", arguments.port);
            return ExitCode::FAILURE;
        }
    };
    println!("SUPABASE_URL={}", stand_in.hosted_url());
    println!("SUPABASE_ANON_KEY={}", stand_in.anon_key());
    println!("SUPABASE_SERVICE_KEY={}", stand_in.service_key());
    println!("# the new kind of keys, for the same two variables:");
    println!("# SUPABASE_ANON_KEY={}", stand_in.publishable_key());
    println!("# SUPABASE_SERVICE_KEY={}", stand_in.secret_key());
    if tokio::signal::ctrl_c().await.is_err() {
        eprintln!("cannot wait for an interrupt");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
