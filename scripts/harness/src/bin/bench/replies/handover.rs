//! The time from the commit of a reply until `osascript` has it.
//!
//! On Postgres two replicas serve the database, and the relay pulls from one of them. Either may answer a turn, so
//! the replies of both are measured apart.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;
use archety_harness::{BackendStore, Binaries, Percentiles};

use super::database::replies_made_at;
use super::metrics::turns_replied;
use super::rig::{Rig, Written};
use crate::{database_of, on_each_store, print_figure};

/// Replies on SQLite, and on Postgres those of each replica, more or less.
const REPLIES: u32 = 200;
const TARGET: &str = "p50 <= 20 ms, p99 <= 100 ms";
const TARGET_OF_OTHER_REPLICA: &str = "p50 <= 30 ms";
const ENVIRONMENT: [(&str, &str); 2] = [("RESPONDER", "canned"), ("TURN_QUIET_MS", "100")];

pub(super) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    on_each_store(
        &Rig::new()?.bench,
        database_of(postgres, "handover"),
        "reply committed -> osascript, on Postgres",
        TARGET,
        |store, _| match store {
            BackendStore::Sqlite(_) => on_sqlite(binaries),
            BackendStore::Postgres(_) => on_postgres(binaries, store),
        },
    )
}

fn on_sqlite(binaries: &Binaries) -> anyhow::Result<()> {
    let mut rig = Rig::new()?;
    let store = BackendStore::Sqlite(rig.bench.database());
    let backend = rig
        .bench
        .start_backend_on(&store, binaries, 0, &ENVIRONMENT)?;
    let mut relay = rig.start_relay(binaries, &backend.url())?;
    relay.wait_until_reading(&rig.state())?;
    let mut written = Vec::new();
    for n in 0..REPLIES {
        written.push(answered_text(&mut rig, n)?);
    }
    let times = handover_times(&rig, &store, &written)?;
    print_figure(
        "reply committed -> osascript, on SQLite",
        &times.to_string(),
        TARGET,
    );
    Ok(())
}

fn on_postgres(binaries: &Binaries, store: &BackendStore) -> anyhow::Result<()> {
    let mut rig = Rig::new()?;
    let start = || rig.bench.start_backend_on(store, binaries, 0, &ENVIRONMENT);
    let (holder, other) = (start()?, start()?);
    let mut relay = rig.start_relay(binaries, &holder.url())?;
    relay.wait_until_reading(&rig.state())?;
    let (mut by_holder, mut by_other) = (Vec::new(), Vec::new());
    for n in 0..2 * REPLIES {
        let before = turns_replied(&holder)?;
        let written = answered_text(&mut rig, n)?;
        if turns_replied(&holder)? > before {
            by_holder.push(written);
        } else {
            by_other.push(written);
        }
    }
    ensure!(
        turns_replied(&other)? > 0,
        "one replica has answered every turn"
    );
    for (name, written, target) in [
        ("poll of the same replica", &by_holder, TARGET),
        ("poll of the other", &by_other, TARGET_OF_OTHER_REPLICA),
    ] {
        let times = handover_times(&rig, store, written)?;
        print_figure(
            &format!("reply committed -> osascript, Postgres, {name}"),
            &format!("{times} ({} replies)", written.len()),
            target,
        );
    }
    Ok(())
}

/// Person `n` writes, and the reply is in chat.db.
fn answered_text(rig: &mut Rig, n: u32) -> anyhow::Result<Written> {
    let before = rig.replies()?;
    let written = rig.receive(n, &format!("message {n}"))?;
    let started = Instant::now();
    while rig.replies()? == before {
        ensure!(
            started.elapsed() < Duration::from_secs(20),
            "message {n} was not answered"
        );
        sleep(Duration::from_millis(2));
    }
    // Pauses of different lengths, so that the replies do not all meet the same state of the relay's poll.
    sleep(Duration::from_millis(u64::from(11 + n * 7 % 29)));
    Ok(written)
}

fn handover_times(
    rig: &Rig,
    store: &BackendStore,
    written: &[Written],
) -> anyhow::Result<Percentiles> {
    let (made_at, sent) = (replies_made_at(store)?, rig.sent()?);
    let times = written.iter().filter_map(|text| {
        let started_at = sent.get(&text.chat)?.started_at;
        let micros = started_at - made_at.get(&text.chat)?;
        Some(Duration::from_micros(micros.unsigned_abs()))
    });
    let times: Vec<Duration> = times.collect();
    ensure!(times.len() == written.len(), "a reply is missing");
    Ok(Percentiles::of(times))
}
