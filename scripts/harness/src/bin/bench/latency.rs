//! The time from a commit in chat.db until the message is stored by the backend.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use archety_harness::{BackendDatabase, Binaries, Mac, Percentiles};

use crate::{Bench, person, print_figure};

const MESSAGES: u32 = 500;

pub(crate) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    let mut bench = Bench::new(200_000)?;
    let backend = bench.start_backend(binaries, 0)?;
    let _relay = bench.start_relay(binaries, &backend.url())?;
    let mut database = BackendDatabase::open(&bench.database())?;
    let percentiles = message_latencies(&mut bench.mac, &mut database, MESSAGES)?;
    let name = "commit in chat.db -> durable, 200,000 rows";
    print_figure(name, &percentiles.to_string(), "p50 <= 10 ms, p99 <= 50 ms");
    Ok(())
}

/// Writes `count` messages to chat.db, each after the backend has stored the message before. Returns how long each
/// message took.
pub(crate) fn message_latencies(
    mac: &mut Mac,
    database: &mut BackendDatabase,
    count: u32,
) -> anyhow::Result<Percentiles> {
    let mut times = Vec::new();
    for n in 0..count {
        let row = mac.receive(&person(n), &format!("message {n}"))?;
        let committed = Instant::now();
        let guid = mac.messages.guid_of(row)?;
        while !database
            .take_new()?
            .iter()
            .any(|message| message.guid == guid)
        {
            ensure!(
                committed.elapsed() < Duration::from_secs(10),
                "message {n} was not stored"
            );
            sleep(Duration::from_micros(100));
        }
        times.push(committed.elapsed());
        // Pauses of different lengths, so that the messages do not all arrive at the same point of the
        // relay's polling interval.
        sleep(Duration::from_millis(u64::from(11 + n * 7 % 29)));
    }
    Ok(Percentiles::of(times))
}
