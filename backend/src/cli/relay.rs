//! `relay list`, `relay allow-bearer`: relays as the database knows them.

use anyhow::anyhow;
use clap::Subcommand;
use shared_protocol::RelayName;

use super::Failure;
use crate::cli::output::say;
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
    /// List the relays that were seen, by which proof, and when
    #[command(
        after_long_help = "A relay that signs also pulls; one that shows its bare secret never does. \
Proofs are noted once a minute. Rehearsals (`archety-replay`) are left out. With --json times are \
Unix seconds."
    )]
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
    let now = Clock::System.now();
    let store = Store::open_beside(&config.database, config.environment, now).await?;
    let done = perform(args.command, &store, now).await;
    store.close().await;
    done
}

async fn perform(command: Command, store: &Store, now: Timestamp) -> Result<(), Failure> {
    let failed = |error: crate::store::StoreError| Failure::Database(error.into());
    match command {
        Command::List { json } => {
            let relays = store.relays().await.map_err(failed)?;
            if json {
                let list: Vec<_> = relays.iter().map(as_json).collect();
                say!("{}", serde_json::Value::Array(list));
            } else {
                for relay in &relays {
                    say!("{}", as_line(relay, now));
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
        "proof": Proof::of(relay).map(Proof::as_str),
        "last_signed_at": relay.last_signed_at.map(Timestamp::as_secs),
        "last_bearer_at": relay.last_bearer_at.map(Timestamp::as_secs),
        "last_seen_at": relay.last_seen_at.map(Timestamp::as_secs),
    })
}

fn as_line(relay: &RelayRow, now: Timestamp) -> String {
    let at = |what: &str, time: Option<Timestamp>| match time {
        Some(at) => format!("last {what} {}", told(at, now)),
        None => format!("never {what}"),
    };
    let proof = Proof::of(relay);
    let proved = match proof {
        Some(Proof::Bearer) => at("posted", relay.last_bearer_at),
        _ => at("signed", relay.last_signed_at),
    };
    format!(
        "{:<32} {:<9} {proved}, {}",
        relay.name,
        proof.map_or("-", Proof::as_str),
        at("pulled", relay.last_seen_at),
    )
}

/// By what a relay proves itself: the later of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Signature,
    Bearer,
}

impl Proof {
    fn of(relay: &RelayRow) -> Option<Self> {
        match (relay.last_signed_at, relay.last_bearer_at) {
            (None, None) => None,
            (signed, shown) if signed >= shown => Some(Self::Signature),
            _ => Some(Self::Bearer),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Bearer => "bearer",
        }
    }
}

/// A time for people: the date, and how long ago that is.
fn told(at: Timestamp, now: Timestamp) -> String {
    let secs = now.as_secs().saturating_sub(at.as_secs()).max(0);
    let ago = match secs {
        0..60 => format!("{secs} s ago"),
        60..3_600 => format!("{} min ago", secs / 60),
        3_600..172_800 => format!("{} h ago", secs / 3_600),
        _ => format!("{} days ago", secs / 86_400),
    };
    format!("{} ({ago})", at.for_people())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn relay(signed: Option<i64>, bearer: Option<i64>) -> RelayRow {
        let at = |secs: i64| Timestamp::from_secs(NOW.as_secs() - secs);
        RelayRow {
            name: "mini".to_owned(),
            has_signed: false,
            last_seen_at: signed.map(at),
            last_signed_at: signed.map(at),
            last_bearer_at: bearer.map(at),
        }
    }

    #[test]
    fn the_proof_seen_last_is_shown_with_times_for_people() {
        let shown: Vec<_> = [
            relay(Some(5), None),
            relay(Some(200_000), Some(90)),
            relay(Some(7_200), Some(90_000_000)),
            relay(None, Some(-5)),
            relay(None, None),
        ]
        .iter()
        .map(|relay| as_line(relay, NOW))
        .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn programs_get_unix_seconds() {
        insta::assert_snapshot!(as_json(&relay(Some(60), None)).to_string());
    }
}
