//! Processor time and memory that the relay uses while no message arrives.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use archety_harness::{Binaries, cpu_seconds, resident_kib};

use crate::{Bench, print_figure};

const MEASURED_TIME: Duration = Duration::from_mins(1);
/// The measurement begins after the relay's first scan of chat.db.
const SETTLING_TIME: Duration = Duration::from_secs(3);

/// What a process uses.
pub(crate) struct CpuAndMemory {
    pub(crate) cpu_percent: f64,
    pub(crate) mib: f64,
}

pub(crate) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    for (older, rotations) in [(200_000, 0), (1_000_000, 100)] {
        let mut bench = Bench::new(older)?;
        let backend = bench.start_backend(binaries, 0)?;
        let relay = bench.start_relay(binaries, &backend.url())?;
        for n in 0..rotations {
            bench.mac.messages.rotate_wal()?;
            bench
                .mac
                .receive("+15550100001", &format!("rotation {n}"))?;
        }
        let CpuAndMemory { cpu_percent, mib } = measure_idle(relay.process.pid())?;
        print_figure(
            &format!("idle relay, {older} rows, {rotations} WAL rotations"),
            &format!("CPU {cpu_percent:.3} %, RSS {mib:.1} MiB"),
            "CPU <= 0.1 %, RSS <= 15 MiB",
        );
    }
    Ok(())
}

/// What a relay with this process id uses in a minute.
pub(crate) fn measure_idle(pid: u32) -> anyhow::Result<CpuAndMemory> {
    sleep(SETTLING_TIME);
    let (started, before) = (
        Instant::now(),
        cpu_seconds(pid).context("needs Linux's /proc")?,
    );
    sleep(MEASURED_TIME);
    let used = cpu_seconds(pid).context("the relay is gone")? - before;
    let kib = resident_kib(pid).context("the relay is gone")?;
    #[expect(clippy::cast_precision_loss, reason = "a measurement")]
    let mib = kib as f64 / 1024.0;
    Ok(CpuAndMemory {
        cpu_percent: used / started.elapsed().as_secs_f64() * 100.0,
        mib,
    })
}
