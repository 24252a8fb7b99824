//! The rate at which turns that are due at the same time are answered, with a responder that answers at once.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::{BackendStore, Binaries};

use super::database::turns_decided_at;
use super::metrics::turns_replied;
use crate::{Bench, database_of, intake, on_each_store, print_figure};

const TURNS: u32 = 1_000;
const TARGET_ON_POSTGRES: &str = ">= 100/s";
/// The longest quiet gap. Within it all messages are stored, so all turns become due together.
const ENVIRONMENT: [(&str, &str); 2] = [("RESPONDER", "canned"), ("TURN_QUIET_MS", "10000")];

pub(super) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    on_each_store(
        &bench,
        database_of(postgres, "due_turns"),
        "1,000 due turns on Postgres, two replicas",
        TARGET_ON_POSTGRES,
        |store, name| run(binaries, &bench, store, name),
    )
}

fn run(binaries: &Binaries, bench: &Bench, store: &BackendStore, name: &str) -> anyhow::Result<()> {
    let start = || bench.start_backend_on(store, binaries, 0, &ENVIRONMENT);
    let first = start()?;
    let (second, replicas, target) = match store {
        BackendStore::Sqlite(_) => (None, "one replica", "none"),
        BackendStore::Postgres(_) => (Some(start()?), "two replicas", TARGET_ON_POSTGRES),
    };
    let messages = intake::requests(&bench.secret.0, TURNS)?;
    intake::load(&first, messages).measure_rate_of_all()?;
    let replied = || -> anyhow::Result<Vec<u64>> {
        let replicas = [Some(&first), second.as_ref()];
        replicas.into_iter().flatten().map(turns_replied).collect()
    };
    let stored = Instant::now();
    while replied()?.iter().sum::<u64>() < TURNS.into() {
        ensure!(
            stored.elapsed() < Duration::from_mins(2),
            "only {:?} turns were answered",
            replied()?
        );
        sleep(Duration::from_millis(250));
    }
    let decided_at = turns_decided_at(store)?;
    let begun = decided_at.iter().min().context("no turn")?;
    let ended = decided_at.iter().max().context("no turn")?;
    let took = Duration::from_micros((ended - begun).unsigned_abs());
    let shares: Vec<String> = replied()?.iter().map(ToString::to_string).collect();
    print_figure(
        &format!("1,000 due turns on {name}, {replicas}"),
        &format!(
            "{:.0}/s ({} replied)",
            f64::from(TURNS) / took.as_secs_f64(),
            shares.join(" + ")
        ),
        target,
    );
    Ok(())
}
