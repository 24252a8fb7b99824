//! `migrate`: brings the database schema to this version.

use anyhow::Context;

use super::Failure;
use super::output::print_line;
use super::plan_text::plan_text;
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Adoption, SchemaVersion, Store};

#[derive(Debug, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each field is a flag of the command line"
)]
pub(super) struct Args {
    /// Adopt the data of an older deployment that the database holds
    #[arg(
        long,
        long_help = "Adopt the data of an older deployment that the database holds. Every row is \
kept; `metadata` columns become `meta_data`. Stop the older deployment and make a backup first. While \
another client writes to the older tables, nothing is changed."
    )]
    adopt: bool,
    /// With --adopt: make views of the older deployment read with the rights of the role that queries them
    #[arg(
        long,
        requires = "adopt",
        long_help = "With --adopt: make views of the older deployment read with the rights of the role that queries them. \
A view that other roles may use reads the adopted tables as its owner, past row-level security, \
and prevents an adoption; this flag sets `security_invoker` on such views (Postgres 15 or newer). Materialized \
views and functions have to be secured by hand; --plan lists all of them."
    )]
    secure_views: bool,
    /// Show what would be done, and do nothing
    #[arg(
        long,
        conflicts_with = "adopt",
        long_help = "Show what would be done, and do nothing: each statement, the tables it touches, \
how many rows they have, which lock it takes and whether it reads or rewrites rows. What prevents the \
migration comes first. Tables that the migration would create are left out. A lock lasts until the end of its \
migration, unless the plan says otherwise."
    )]
    plan: bool,
    /// With --plan: print one JSON object
    #[arg(long, requires = "plan")]
    json: bool,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let (database, environment) = (&config.database, config.environment);
    if args.plan {
        let plan = Store::plan(database, environment).await?;
        if args.json {
            let json = serde_json::to_string(&plan).context("the plan is no JSON")?;
            print_line!("{json}");
        } else {
            print_line!("{}", plan_text(&plan));
        }
        return Ok(());
    }
    let adoption = match (args.adopt, args.secure_views) {
        (false, _) => Adoption::Refused,
        (true, false) => Adoption::Allowed,
        (true, true) => Adoption::AllowedSecuringViews,
    };
    let version = Store::migrate(database, environment, adoption, Clock::System.now()).await?;
    let environment = environment.into_str();
    match version {
        SchemaVersion::Current => eprintln!("the database is up to date ({environment})"),
        SchemaVersion::Newer(versions) => eprintln!(
            "a newer version has migrated the database ({} migration(s) more); this version can serve on \
             it, and changed nothing ({environment})",
            versions.len()
        ),
    }
    Ok(())
}
