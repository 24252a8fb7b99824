//! How soon a relay that starts with a thousand pending bubbles sends.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use archety_harness::{BackendStore, Binaries, now_micros};
use archety_relay::clock::UnixMicros;
use archety_relay::state::ledger::{counts, pauses};

use super::rig::{Rig, open_state};
use crate::print_figure;

const BUBBLES: u32 = 1_000;
const ENVIRONMENT: [(&str, &str); 2] = [("RESPONDER", "canned"), ("TURN_QUIET_MS", "0")];
const DEADLINE: Duration = Duration::from_mins(3);

pub(super) fn measure(binaries: &Binaries) -> anyhow::Result<()> {
    let mut rig = Rig::new()?;
    let store = BackendStore::Sqlite(rig.bench.database());
    let backend = rig
        .bench
        .start_backend_on(&store, binaries, 0, &ENVIRONMENT)?;
    let mut relay = rig.start_relay(binaries, &backend.url())?;
    relay.wait_until_reading(&rig.state())?;
    let state = open_state(&rig.state())?;
    let now = || UnixMicros::from_micros(now_micros());
    state.write_durably(|tx| pauses::pause_by_owner(tx, now()))?;
    for n in 0..BUBBLES {
        rig.receive(n, &format!("message {n}"))?;
    }
    wait("the ledger has only", || {
        Ok(state.read(counts::sending_status)?.queued)
    })?;
    relay.process.terminate()?;
    state.write_durably(|tx| pauses::resume_by_owner(tx, now()))?;
    let (started, started_at) = (Instant::now(), now_micros());
    let _relay = rig.start_relay(binaries, &backend.url())?;
    wait("chat.db has only", || rig.replies())?;
    let all = started.elapsed();
    let first = rig
        .sent()?
        .values()
        .filter_map(|sent| sent.handed_over_at)
        .min();
    let first = first.unwrap_or(i64::MAX).saturating_sub(started_at);
    print_figure(
        "relay start with 1,000 pending bubbles -> first one sent",
        &format!("{} ms; all in {:.1} s", first / 1_000, all.as_secs_f64()),
        "<= 1,000 ms",
    );
    Ok(())
}

/// Waits until `count` is [`BUBBLES`].
fn wait(has_only: &str, count: impl Fn() -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let count = count()?;
        if count >= BUBBLES.into() {
            return Ok(());
        }
        ensure!(started.elapsed() < DEADLINE, "{has_only} {count} bubbles");
        sleep(Duration::from_millis(50));
    }
}
