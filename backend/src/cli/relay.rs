//! `relay list`; `relay allow-bearer`, after which a relay may send its bare secret instead of signatures; and
//! `relay move`, after which another Mac may take a relay's name.

use clap::Subcommand;
use serde_json::{Value, json};
use shared_protocol::RelayName;

use super::output::ListArgs;
use super::{Failure, with_store};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::store::{ProofKind, RelayMove, RelayRow};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the relays that sent requests, how each authenticated last, and when
    #[command(
        after_long_help = "A relay that signs its requests also pulls; one that sends its bare secret \
never does. The times are recorded once a minute. Rehearsals (`archety-replay`) are left out. With --json times are \
Unix seconds."
    )]
    List(ListArgs),
    /// Let a relay authenticate with its bare secret until it signs a request again
    #[command(
        after_long_help = "Once a named relay has signed a request, its bare secret is refused for \
good, because one leaked request would otherwise be enough to act as this relay. Use this when such a relay has to go \
back to an older version."
    )]
    AllowBearer {
        /// The relay's name
        #[arg(value_parser = super::secret::parse_name)]
        name: RelayName,
    },
    /// Let another Mac take a relay's name at once
    #[command(
        after_long_help = "A relay's name is leased to one Mac, and another one that uses the same secret is refused \
for as long as the first pulls and 90 seconds more. This ends the lease and refuses the Mac that had it, also after \
the other one has gone away. Use it when the Mac is dead or out of reach; else `archety-relay move` hands the name \
over. What that Mac may have sent already is not sent again: it is looked up in the other Mac's Messages, or listed by \
`attention list`. Given again before another Mac has come, the command lets every Mac take the name again."
    )]
    Move {
        /// The relay's name
        #[arg(value_parser = super::secret::parse_name)]
        name: RelayName,
    },
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    with_store(config, async |store, now| match args.command {
        Command::List(list) => {
            let relays = store.relays().await?;
            list.print(&relays, as_json, |relay| as_line(relay, now), "");
            Ok(())
        }
        Command::AllowBearer { name } => {
            if !store.allow_bearer(&name).await? {
                return Err(Failure::new(format_args!(
                    "no relay called {name} has signed a request; its bare secret is not refused"
                )));
            }
            eprintln!("{name} may send its bare secret until it signs a request again");
            Ok(())
        }
        Command::Move { name } => {
            match store.move_relay(&name).await? {
                RelayMove::Released => eprintln!(
                    "another Mac may take the name {name} now; the one that had it is refused"
                ),
                RelayMove::OpenToAll => {
                    eprintln!("no Mac has the name {name}; any may take it now");
                }
                RelayMove::NoSuchRelay => {
                    return Err(Failure::new(format_args!(
                        "no relay called {name} has sent a request"
                    )));
                }
            }
            Ok(())
        }
    })
    .await
}

fn as_json(relay: &RelayRow) -> Value {
    json!({
        "name": relay.name,
        "proof": latest_proof(relay).map(<&str>::from),
        "last_signed_at": relay.last_signed_at.map(Timestamp::as_secs),
        "last_bearer_at": relay.last_bearer_at.map(Timestamp::as_secs),
        "last_seen_at": relay.last_seen_at.map(Timestamp::as_secs),
    })
}

fn as_line(relay: &RelayRow, now: Timestamp) -> String {
    let last_time = |action: &str, time: Option<Timestamp>| match time {
        Some(time) => format!("last {action} {}", with_age(time, now)),
        None => format!("never {action}"),
    };
    let proof = latest_proof(relay);
    let proof_time = match proof {
        Some(ProofKind::Bearer) => last_time("posted", relay.last_bearer_at),
        _ => last_time("signed", relay.last_signed_at),
    };
    format!(
        "{:<32} {:<9} {proof_time}, {}",
        relay.name,
        proof.map_or("-", Into::into),
        last_time("pulled", relay.last_seen_at),
    )
}

fn latest_proof(relay: &RelayRow) -> Option<ProofKind> {
    match (relay.last_signed_at, relay.last_bearer_at) {
        (None, None) => None,
        (signed, bearer) if signed >= bearer => Some(ProofKind::Signature),
        _ => Some(ProofKind::Bearer),
    }
}

/// A date, and how long ago it is.
fn with_age(at: Timestamp, now: Timestamp) -> String {
    let secs = now.as_secs().saturating_sub(at.as_secs()).max(0);
    let ago = match secs {
        0..60 => format!("{secs} s ago"),
        60..3_600 => format!("{} min ago", secs / 60),
        3_600..172_800 => format!("{} h ago", secs / 3_600),
        _ => format!("{} days ago", secs / 86_400),
    };
    format!("{} ({ago})", at.human_readable())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    /// A relay that signed, and sent its bare secret, this many seconds ago.
    fn relay(signed: Option<i64>, bearer: Option<i64>) -> RelayRow {
        let at = |secs_ago: i64| Timestamp::from_secs(NOW.as_secs() - secs_ago);
        RelayRow {
            name: "mini".to_owned(),
            has_signed: false,
            last_seen_at: signed.map(at),
            last_signed_at: signed.map(at),
            last_bearer_at: bearer.map(at),
        }
    }

    #[test]
    fn the_latest_proof_is_listed_with_readable_times() {
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
    fn json_has_unix_seconds() {
        insta::assert_snapshot!(as_json(&relay(Some(60), None)).to_string());
    }
}
