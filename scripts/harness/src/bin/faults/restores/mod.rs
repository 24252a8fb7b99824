//! Databases and Macs that go back in time, are copied, or sleep, while people write.
//!
//! At the end each bubble was seen once on all Macs together, or is listed for the owner, and each message is stored as
//! often as it should be.

mod machine;
mod scenarios;
mod verdict;
mod world;

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::ensure;
use archety_harness::{Binaries, FASTER};
use clap::Args;

use crate::postgres::Cluster;
use scenarios::{ALL, SLEEP, SPAN, Scenario};
use verdict::Verdict;
use world::Place;

/// Restore the backend, restore, lose and clone the relay's state, run two relays on a line, let a Mac sleep
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only these scenarios, such as `cloned`; all if absent
    names: Vec<String>,
    /// How many scenarios run at the same time
    #[arg(long, default_value = "3")]
    at_once: NonZeroUsize,
    /// A Postgres server, as the URL of a superuser
    #[arg(long)]
    postgres: Option<String>,
    /// List the scenarios and run nothing
    #[arg(long)]
    list: bool,
}

/// How many lines of the list for the owner are printed.
const LISTED_LINES: usize = 6;

/// A scenario on one of the stores.
struct Row {
    scenario: &'static Scenario,
    is_on_postgres: bool,
}

/// Prints the table. Returns whether every row is as it should be.
pub(crate) fn show(arguments: &Arguments) -> anyhow::Result<bool> {
    for name in &arguments.names {
        ensure!(
            ALL.iter().any(|scenario| scenario.name == name),
            "there is no scenario {name}; `restores --list` lists them"
        );
    }
    if arguments.list {
        for scenario in ALL {
            println!("{:<16} {}", scenario.name, scenario.what);
        }
        return Ok(true);
    }
    let cluster = arguments
        .postgres
        .as_deref()
        .map(|url| Cluster::prepare(&Binaries::beside_this_program()?, url))
        .transpose()?;
    println!(
        "people write for {SPAN:?} before, between and after what happens, which stands for ten minutes; a Mac sleeps \
         for {SLEEP:?}, with the real lease of 60 s; times of sending divided by {FASTER}\n"
    );
    print_heading();
    let rows = rows(arguments, cluster.is_some());
    let queue = Mutex::new(rows.iter());
    let failed = Mutex::new(0_usize);
    std::thread::scope(|scope| {
        for _ in 0..arguments.at_once.get() {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some(row) = next else { return };
                    eprintln!("{} on {} …", row.scenario.name, row.store());
                    if !run(row, cluster.clone().filter(|_| row.is_on_postgres))
                        && let Ok(mut failed) = failed.lock()
                    {
                        *failed += 1;
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or(usize::MAX);
    if failed == 0 {
        println!(
            "\nno bubble was seen twice, each was seen or is listed, in {} rows",
            rows.len()
        );
    } else {
        println!("\n{failed} of {} rows FAILED", rows.len());
    }
    Ok(failed == 0)
}

fn rows(arguments: &Arguments, has_postgres: bool) -> Vec<Row> {
    let is_chosen = |scenario: &&Scenario| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| name == scenario.name)
    };
    // The longest scenarios are the last of the list, and begin first.
    let chosen = ALL.iter().rev().filter(is_chosen);
    let on_stores = chosen.flat_map(|scenario| {
        let stores = [false, true].into_iter();
        stores
            .filter(move |is_on_postgres| !is_on_postgres || (has_postgres && scenario.on_postgres))
            .map(move |is_on_postgres| Row {
                scenario,
                is_on_postgres,
            })
    });
    on_stores.collect()
}

impl Row {
    fn store(&self) -> &'static str {
        if self.is_on_postgres {
            "Postgres"
        } else {
            "SQLite"
        }
    }
}

/// Runs a scenario and prints its row. Returns whether all is as it should be.
fn run(row: &Row, cluster: Option<Cluster>) -> bool {
    let (scenario, began) = (row.scenario, Instant::now());
    let head = format!("{:<56} {:<8}", scenario.what, row.store());
    let folder = tempfile::Builder::new()
        .prefix("archety-restores-")
        .tempdir();
    let outcome = folder.map_err(anyhow::Error::from).and_then(|folder| {
        let place = Place {
            scenario: scenario.name,
            folder: folder.path().to_owned(),
            cluster,
        };
        let judged = (scenario.run)(place).and_then(|world| {
            let verdict = Verdict::of(&world, scenario.stored)?;
            Ok((verdict, world.operate(&["attention", "list"], "")?))
        });
        match judged {
            Ok((verdict, attention)) if verdict.is_ok() => Ok((verdict, attention, None)),
            Ok((verdict, attention)) => Ok((verdict, attention, Some(folder.keep()))),
            Err(error) => {
                let files = folder.keep();
                Err(error.context(format!("the files are in {}", files.display())))
            }
        }
    });
    let (verdict, attention, files) = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            println!("{head} FAILED: {error:#}");
            return false;
        }
    };
    let word = if verdict.is_ok() { "ok" } else { "FAILED" };
    let mut lines = vec![format!(
        "{head} {:>9} {:>7} {:>6} {:>6} {:>4} {:>4} {:>7} {:>5.0}  {word}",
        verdict.questions,
        verdict.bubbles,
        verdict.seen,
        verdict.listed,
        verdict.seen_and_listed,
        verdict.lost.len(),
        verdict.doubled.len(),
        began.elapsed().as_secs_f64()
    )];
    lines.extend(
        verdict
            .faults()
            .into_iter()
            .map(|fault| format!("    {fault}")),
    );
    let listed: Vec<&str> = attention.lines().collect();
    let printed = listed.iter().take(LISTED_LINES);
    lines.extend(printed.map(|line| format!("    {line}")));
    if listed.len() > LISTED_LINES {
        let more = listed.len() - LISTED_LINES;
        lines.push(format!("    and {more} more in `attention list`"));
    }
    if let Some(files) = files {
        lines.push(format!("    the files are in {}", files.display()));
    }
    println!("{}", lines.join("\n"));
    verdict.is_ok()
}

fn print_heading() {
    println!(
        "{:<56} {:<8} {:>9} {:>7} {:>6} {:>6} {:>4} {:>7} {:>5}  verdict",
        "what happens",
        "store",
        "questions",
        "bubbles",
        "seen",
        "listed",
        "lost",
        "doubled",
        "secs"
    );
}
