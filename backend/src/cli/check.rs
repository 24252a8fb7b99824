//! `check`: what is in effect, and everything that is wrong with it.

use serde_json::{Map, Value, json};

use super::Failure;
use crate::cli::output::say;
use crate::config::{Config, Variables};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
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
    if args.json {
        let effective: Map<String, Value> = config
            .effective()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Value::String(value)))
            .collect();
        let warnings: Vec<_> = config.warnings.iter().map(problem).collect();
        say!(
            "{}",
            json!({ "ok": true, "effective": effective, "warnings": warnings })
        );
    } else {
        for (key, value) in config.effective() {
            say!("{key:<26} {value}");
        }
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
    }
    Ok(())
}

fn problem(problem: &crate::config::Problem) -> Value {
    json!({ "key": problem.key, "message": problem.message })
}
