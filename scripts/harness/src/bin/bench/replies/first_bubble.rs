//! The time from a text in chat.db to the first bubble of its reply, with a responder that answers at once.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::{BackendStore, Binaries, Percentiles};

use super::rig::{Rig, Written};
use crate::{database_of, on_each_store, print_figure};

const TEXTS: u32 = 300;
/// The quiet gap of the backend's default.
const QUIET_MS: u64 = 2_000;
const TARGET: &str = "p50 <= 2,060 ms (quiet gap 2,000)";

pub(super) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    on_each_store(
        &Rig::new()?.bench,
        database_of(postgres, "first_bubble"),
        "text in chat.db -> first bubble, on Postgres",
        TARGET,
        |store, name| run(binaries, store, name),
    )
}

fn run(binaries: &Binaries, store: &BackendStore, name: &str) -> anyhow::Result<()> {
    let mut rig = Rig::new()?;
    let environment = [
        ("RESPONDER", "canned"),
        ("TURN_QUIET_MS", &*QUIET_MS.to_string()),
    ];
    let backend = rig
        .bench
        .start_backend_on(store, binaries, 0, &environment)?;
    let mut relay = rig.start_relay(binaries, &backend.url())?;
    relay.wait_until_reading(&rig.state())?;
    let mut written = Vec::new();
    for n in 0..TEXTS {
        written.push(rig.receive(n, &format!("message {n}"))?);
        // Each text finds `osascript` free, and the pauses differ.
        sleep(Duration::from_millis(u64::from(120 + n * 7 % 61)));
    }
    let last = Instant::now();
    while rig.replies()? < TEXTS.into() {
        ensure!(
            last.elapsed() < Duration::from_secs(20),
            "only {} of {TEXTS} texts were answered",
            rig.replies()?
        );
        sleep(Duration::from_millis(20));
    }
    let times = times(&rig, &written)?;
    print_figure(
        &format!("text in chat.db -> first bubble, on {name}"),
        &times.to_string(),
        TARGET,
    );
    Ok(())
}

fn times(rig: &Rig, written: &[Written]) -> anyhow::Result<Percentiles> {
    let sent = rig.sent()?;
    let time = |text: &Written| {
        let sent = sent.get(&text.chat)?;
        let micros = sent.handed_over_at? - text.committed_at;
        Some(Duration::from_micros(micros.unsigned_abs()))
    };
    let times = written
        .iter()
        .map(|text| time(text).context("a reply is missing"));
    Ok(Percentiles::of(times.collect::<anyhow::Result<Vec<_>>>()?))
}
