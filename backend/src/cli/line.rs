//! `line list` and `line move`: which relay answers each line.

use clap::Subcommand;
use serde_json::{Value, json};
use shared_protocol::RelayName;

use super::output::ListArgs;
use super::{Failure, handle_input, with_store};
use crate::config::Config;
use crate::store::replies::{LineMove, LineOwner};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the own addresses that relays have reported, each with the relay that answers its messages
    #[command(
        after_long_help = "The first relay that reports an address answers the messages of its line. Messages of \
the line that come from another relay are stored and not answered. With --json times are Unix seconds."
    )]
    List(ListArgs),
    /// Let another relay answer a line
    #[command(
        after_long_help = "One of the line's addresses is read from standard input, so that it appears neither in \
the list of processes nor in the shell's history:\n\n  \
archety-backend line move mini < address.txt\n\n\
All addresses of the line move. Replies that were written for the former relay still go there."
    )]
    Move {
        /// The name of the relay that answers from now on
        #[arg(value_parser = super::secret::parse_name)]
        relay: RelayName,
    },
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    match args.command {
        Command::List(list) => {
            with_store(config, async |store, _| {
                let owners = store.line_owners().await?;
                list.print(&owners, as_json, as_line, "no relay has reported a line");
                Ok(())
            })
            .await
        }
        Command::Move { relay } => {
            let address = handle_input::read(None)?;
            with_store(config, async |store, now| {
                match store.move_line(&address, &relay, now).await? {
                    LineMove::Moved(addresses) => {
                        let count = addresses.len();
                        eprintln!("{relay} answers the line from now on ({count} addresses)");
                        Ok(())
                    }
                    LineMove::NoSuchLine => Err(Failure::new(
                        "no relay has reported this address; `line list` shows those that were reported",
                    )),
                    LineMove::NoSuchRelay => Err(Failure::new(format_args!(
                        "no relay called {relay} has sent a request; `relay list` shows those that have"
                    ))),
                }
            })
            .await
        }
    }
}

fn as_json(owner: &LineOwner) -> Value {
    json!({
        "address": owner.address,
        "relay": owner.relay,
        "since": owner.since.as_secs(),
    })
}

fn as_line(owner: &LineOwner) -> String {
    let since = owner.since.human_readable();
    format!("{:<32} {:<32} since {since}", owner.address, owner.relay)
}
