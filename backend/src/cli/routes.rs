//! `routes`: what can be called, and by whom.

use serde_json::{Value, json};

use crate::cli::output::say;
use crate::http::route_list;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) {
    let routes = route_list();
    if args.json {
        let list: Vec<Value> = routes
            .iter()
            .map(|route| json!({ "method": route.method.as_str(), "path": route.path, "access": route.access.into_str() }))
            .collect();
        say!("{}", Value::Array(list));
        return;
    }
    let longest = routes.iter().map(|route| route.path.len()).max();
    let width = longest.unwrap_or_default();
    for route in routes {
        let (method, path) = (route.method.as_str(), route.path);
        say!("{method:<6} {path:<width$}  {}", route.access.into_str());
    }
}
