//! The rate at which the relay delivers a backlog of many chats to the backend.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use archety_harness::{BackendDatabase, Binaries};

use archety_harness::free_port;

use crate::{Bench, print_figure};

const MESSAGES: u64 = 20_000;
const CHATS: u64 = 2_000;

pub(crate) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    let mut bench = Bench::new(0)?;
    let port = free_port()?;
    let mut backend = bench.start_backend(binaries, port)?;
    let mut relay = bench.start_relay(binaries, &backend.url())?;
    // The relay has reached the backend once. From here on the backend is down and a backlog builds up.
    backend.process.terminate()?;
    for n in 0..MESSAGES {
        bench
            .mac
            .receive(&format!("+1555{:07}", n % CHATS), &format!("message {n}"))?;
    }
    wait_for_outbox(&bench)?;
    relay.process.terminate()?;
    // Messages whose delivery failed would wait for their next attempt; the measured rate excludes that wait.
    rusqlite::Connection::open(bench.path("relay").join("state.db"))?
        .execute("update outbox set attempts = 0, next_attempt_at = 0", [])?;
    let backend = bench.start_backend(binaries, port)?;
    let database = BackendDatabase::open(&bench.database())?;
    let started = Instant::now();
    let _relay = bench.start_relay(binaries, &backend.url())?;
    while database.count()? < MESSAGES {
        ensure!(
            started.elapsed() < Duration::from_mins(2),
            "stored only {}",
            database.count()?
        );
        // The pause keeps the counting query from taking processor time that the backend needs.
        sleep(Duration::from_millis(50));
    }
    let took = started.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = MESSAGES as f64 / took.as_secs_f64();
    print_figure(
        "backlog of 20,000 in 2,000 chats, relay start included",
        &format!("{rate:.0} msg/s ({:.1} s)", took.as_secs_f64()),
        ">= 2,000 msg/s",
    );
    Ok(())
}

/// Waits until the relay's outbox has all messages.
fn wait_for_outbox(bench: &Bench) -> anyhow::Result<()> {
    let state = rusqlite::Connection::open(bench.path("relay").join("state.db"))?;
    let started = Instant::now();
    loop {
        let pending: i64 = state.query_row("select count(*) from outbox", [], |row| row.get(0))?;
        if pending.unsigned_abs() >= MESSAGES {
            return Ok(());
        }
        ensure!(
            started.elapsed() < Duration::from_mins(1),
            "the outbox has only {pending}"
        );
        sleep(Duration::from_millis(20));
    }
}
