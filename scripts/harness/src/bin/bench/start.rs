//! Start-up time of the relay and latency of a message, on a small and on a very large chat.db.

use std::time::Instant;

use archety_harness::{BackendDatabase, Binaries};

use crate::latency::message_latencies;
use crate::{Bench, print_figure};

/// Number of messages whose latency is measured on each chat.db.
const MESSAGES: u32 = 200;

pub(crate) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    let mut medians = Vec::new();
    for older in [1_000, 1_000_000] {
        let mut bench = Bench::new(older)?;
        let backend = bench.start_backend(binaries, 0)?;
        let started = Instant::now();
        let _relay = bench.start_relay(binaries, &backend.url())?;
        let took = started.elapsed();
        let name = format!("relay start to first scan, {older} rows");
        print_figure(
            &name,
            &format!("{:.0} ms", took.as_secs_f64() * 1e3),
            "< 1,000 ms",
        );
        let mut database = BackendDatabase::open(&bench.database())?;
        let percentiles = message_latencies(&mut bench.mac, &mut database, MESSAGES)?;
        print_figure(
            &format!("commit -> durable, {older} rows"),
            &percentiles.to_string(),
            "the same at any size",
        );
        medians.push(percentiles.percentile(50).as_secs_f64());
    }
    let ratio = medians[1] / medians[0];
    print_figure(
        "median at 1,000,000 rows / at 1,000",
        &format!("{ratio:.2}"),
        "about 1",
    );
    Ok(())
}
