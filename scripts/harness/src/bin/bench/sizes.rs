//! Sizes of the two binaries; start-up time and memory of the backend.

use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use archety_harness::{Binaries, resident_kib};

use crate::{Bench, print_figure};

pub(crate) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    print_figure("archety-relay", &megabytes(&binaries.relay())?, "<= 10 MB");
    print_figure(
        "archety-backend",
        &megabytes(&binaries.backend())?,
        "<= 25 MB",
    );
    let bench = Bench::new(0)?;
    // The first start creates the database and is not measured.
    bench.start_backend(binaries, 0)?.process.terminate()?;
    let started = Instant::now();
    let backend = bench.start_backend(binaries, 0)?;
    let took = started.elapsed();
    print_figure(
        "backend start to listening (SQLite)",
        &format!("{} ms", took.as_millis()),
        "<= 300 ms",
    );
    let kib = resident_kib(backend.process.pid()).context("needs Linux's /proc")?;
    print_figure(
        "backend at rest",
        &format!("RSS {} MiB", kib / 1024),
        "<= 50 MiB under load",
    );
    Ok(())
}

fn megabytes(binary: &Path) -> anyhow::Result<String> {
    #[expect(clippy::cast_precision_loss, reason = "a size")]
    let bytes = binary.metadata()?.len() as f64;
    Ok(format!("{:.1} MB", bytes / 1e6))
}
