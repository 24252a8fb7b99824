//! `check`: what is in effect, and everything that is wrong with it; with `--connect`, what answers.

use anyhow::anyhow;
use serde_json::{Map, Value, json};

use super::Failure;
use super::connect::{self, Tried};
use crate::cli::output::say;
use crate::config::{Config, Variables};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Also ask the database, Supabase and Twilio whether they let us in; nothing is changed, and no
    /// message is sent
    #[arg(long)]
    connect: bool,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let variables = Variables::of_process()?;
    let config = match Config::from_variables(&variables) {
        Ok(config) => config,
        Err(problems) => {
            if args.json {
                let list: Vec<_> = problems.as_slice().iter().map(problem).collect();
                say!("{}", json!({ "ok": false, "problems": list }));
            }
            return Err(problems.into());
        }
    };
    let tried = if args.connect {
        connect::try_all(&config).await
    } else {
        Vec::new()
    };
    let failed = tried.iter().filter(|tried| !tried.is_usable()).count();
    if args.json {
        let effective: Map<String, Value> = config
            .effective()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::String(value)))
            .collect();
        let warnings: Vec<_> = config.warnings.iter().map(problem).collect();
        let mut shown = json!({ "ok": failed == 0, "effective": effective, "warnings": warnings });
        if args.connect {
            shown["connect"] = tried.iter().map(Tried::json).collect();
        }
        say!("{shown}");
    } else {
        for (key, value) in config.effective() {
            say!("{key:<31} {value}");
        }
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
        tried.iter().for_each(Tried::print);
    }
    if failed > 0 {
        return Err(Failure::Other(anyhow!(
            "{failed} of {} could not be used",
            tried.len()
        )));
    }
    Ok(())
}

fn problem(problem: &crate::config::Problem) -> Value {
    json!({ "key": problem.key, "message": problem.message })
}
