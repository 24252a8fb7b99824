//! The relay's heartbeat: figures from the state, the disk and the clock.

use std::sync::Arc;

use shared_protocol::RelayStatus;

use crate::clock::UnixMicros;
use crate::pipeline::PipelineHealth;
use crate::platform;
use crate::state::{State, StateError, outbox, quarantine, source, waiting};

/// Gathers the heartbeat at `now`.
pub(super) fn gather(
    state: &State,
    health: &Arc<PipelineHealth>,
    expect_env: Option<String>,
    now: UnixMicros,
) -> Result<RelayStatus, StateError> {
    let (depths, waiting, quarantined, source) = state.read(|connection| {
        Ok((
            outbox::depths(connection)?,
            waiting::count(connection)?,
            quarantine::count(connection)?,
            source::load(connection)?,
        ))
    })?;
    let scanned = health
        .last_good_scan()
        .or_else(|| source.map(|source| source.last_good_scan_at));
    Ok(RelayStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment: expect_env,
        last_good_scan_at: scanned.map(|at| UnixMicros::from_micros(at).as_secs()),
        outbox_depth: depths.pending,
        parked: depths.parked,
        waiting,
        quarantined,
        lines: Vec::new(),
        doctor_codes: health.trouble().map(str::to_owned).into_iter().collect(),
        free_disk_bytes: platform::free_disk_bytes(state.dir()),
        clock: now.as_secs(),
    })
}
