//! `migrate`: the schema, once per deploy.

use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Adoption, Store};
use crate::telemetry::start_logging;

use super::Failure;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Adopt the data of an older deployment that the database holds
    #[arg(
        long,
        long_help = "Adopt the data of an older deployment that the database holds. Every row is \
kept; `metadata` columns become `meta_data`. Stop the older deployment and make a backup first."
    )]
    adopt: bool,
}

pub(super) async fn run(args: Args, config: Config) -> Result<(), Failure> {
    start_logging(&config.logging).map_err(|error| Failure::Configuration(error.into()))?;
    let adoption = if args.adopt {
        Adoption::Allowed
    } else {
        Adoption::Refused
    };
    Store::migrate(
        &config.database,
        config.environment,
        adoption,
        Clock::System.now(),
    )
    .await?;
    eprintln!(
        "the database is up to date ({})",
        config.environment.as_str()
    );
    Ok(())
}
