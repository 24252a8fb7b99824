//! `check`: prints the settings in effect, or every problem of a configuration that is wrong. `--connect` also checks
//! that the database, Supabase and Twilio can be used.

use serde_json::{Value, json};

use super::Failure;
use super::connection_check::{self, ConnectionCheck};
use super::output::print_line;
use crate::config::{Config, Variables};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Also ask the database, Supabase and Twilio whether they accept the credentials; nothing is
    /// changed, and no message is sent
    #[arg(long)]
    connect: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let variables = Variables::of_process()?;
    let config = match Config::from_variables(&variables) {
        Ok(config) => config,
        Err(problems) => {
            if args.json {
                print_line!("{}", json!({ "ok": false, "problems": problems.0 }));
            }
            return Err(problems.into());
        }
    };
    let checks = if args.connect {
        connection_check::check_all(&config).await
    } else {
        Vec::new()
    };
    let failed = checks.iter().filter(|check| !check.is_usable()).count();
    if args.json {
        let effective: Value = config.effective().into_iter().collect();
        let mut shown =
            json!({ "ok": failed == 0, "effective": effective, "warnings": config.warnings });
        if args.connect {
            shown["connect"] = checks.iter().map(ConnectionCheck::json).collect();
        }
        print_line!("{shown}");
    } else {
        for (key, value) in config.effective() {
            print_line!("{key:<31} {value}");
        }
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
        checks.iter().for_each(ConnectionCheck::print);
    }
    if failed > 0 {
        return Err(Failure::new(format_args!(
            "{failed} of {} services could not be used",
            checks.len()
        )));
    }
    Ok(())
}
