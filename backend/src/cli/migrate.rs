//! `migrate`: the schema, once per deploy.

use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Adoption, Store};
use crate::telemetry::start_logging;

use super::Failure;
use super::plan_table::PlanTable;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Adopt the data of an older deployment that the database holds
    #[arg(
        long,
        long_help = "Adopt the data of an older deployment that the database holds. Every row is \
kept; `metadata` columns become `meta_data`. Stop the older deployment and make a backup first. While \
another client writes to the older tables, nothing is changed."
    )]
    adopt: bool,
    /// Show what would be done, and do nothing
    #[arg(
        long,
        conflicts_with = "adopt",
        long_help = "Show what would be done, and do nothing: each statement, the tables it touches, \
how many rows they have, which lock it takes and whether it reads or rewrites rows. Tables that would be \
new are left out. Locks last until the end of their migration, unless it says otherwise."
    )]
    plan: bool,
    /// With --plan: print one JSON object
    #[arg(long, requires = "plan")]
    json: bool,
}

pub(super) async fn run(args: Args, config: Config) -> Result<(), Failure> {
    start_logging(&config.logging).map_err(|error| Failure::Configuration(error.into()))?;
    if args.plan {
        let plan = Store::plan(&config.database, config.environment).await?;
        if args.json {
            println!(
                "{}",
                serde_json::to_string(&plan).map_err(anyhow::Error::from)?
            );
        } else {
            print!("{}", PlanTable(&plan));
        }
        return Ok(());
    }
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
