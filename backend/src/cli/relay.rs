//! `relay list`, `relay allow-bearer`: relays as the database knows them.

use anyhow::anyhow;
use clap::Subcommand;
use shared_protocol::RelayName;

use super::Failure;
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::store::{RelayRow, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the relays that were seen
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Let a relay show its secret again, until it signs the next time
    #[command(
        after_long_help = "Once a named relay has signed a request, its bare secret is refused for \
good: whoever reads one old request could otherwise speak for it. Use this when such a relay has to go \
back to an older version."
    )]
    AllowBearer {
        /// The relay's name
        #[arg(value_parser = super::secret::parse_name)]
        name: RelayName,
    },
}

pub(super) async fn run(args: Args, config: Config) -> Result<(), Failure> {
    let store = Store::open(&config.database, config.environment, Clock::System.now()).await?;
    let done = perform(args.command, &store).await;
    store.close().await;
    done
}

async fn perform(command: Command, store: &Store) -> Result<(), Failure> {
    let failed = |error: crate::store::StoreError| Failure::Database(error.into());
    match command {
        Command::List { json } => {
            let relays = store.relays().await.map_err(failed)?;
            if json {
                let list: Vec<_> = relays.iter().map(as_json).collect();
                println!("{}", serde_json::Value::Array(list));
            } else {
                for relay in &relays {
                    println!("{}", as_line(relay));
                }
            }
            Ok(())
        }
        Command::AllowBearer { name } => {
            if store.allow_bearer(&name).await.map_err(failed)? {
                eprintln!("{name} may show its secret until it signs the next time");
                Ok(())
            } else {
                Err(Failure::Other(anyhow!(
                    "no relay called {name} has signed; its secret is not refused"
                )))
            }
        }
    }
}

fn as_json(relay: &RelayRow) -> serde_json::Value {
    serde_json::json!({
        "name": relay.name,
        "proof": proof(relay),
        "last_seen_at": relay.last_seen_at.map(Timestamp::as_secs),
    })
}

fn as_line(relay: &RelayRow) -> String {
    let seen = relay.last_seen_at.map_or_else(
        || "never pulled".to_owned(),
        |at| format!("last pulled at {}", at.as_secs()),
    );
    format!("{:<32} {:<9} {seen}", relay.name, proof(relay))
}

fn proof(relay: &RelayRow) -> &'static str {
    if relay.has_signed {
        "signature"
    } else {
        "bearer"
    }
}
