//! Collects what the heartbeat tells the backend about this relay.

use std::sync::Arc;

use shared_protocol::RelayStatus;

use super::Sends;
use crate::clock::UnixMicros;
use crate::pipeline::PipelineHandle;
use crate::platform;
use crate::state::ledger::counts;
use crate::state::{State, StateError, outbox, own_addresses, quarantine, read_position, waiting};

/// The heartbeat at `now`, from the state, the health of the reading thread, and the disk.
pub(super) fn gather(
    state: &State,
    pipeline_handle: &Arc<PipelineHandle>,
    sends: Sends,
    expect_env: Option<String>,
    now: UnixMicros,
) -> Result<RelayStatus, StateError> {
    let (depths, waiting, quarantined, position, lines, sending) = state.read(|connection| {
        Ok((
            outbox::depths(connection)?,
            waiting::count(connection)?,
            quarantine::count(connection)?,
            read_position::load(connection)?,
            own_addresses::lines(connection)?,
            counts::sending_status(connection)?,
        ))
    })?;
    let scanned = pipeline_handle
        .last_good_scan()
        .or_else(|| position.map(|position| position.last_good_scan_at));
    Ok(RelayStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment: expect_env,
        last_good_scan_at: scanned.map(|at| UnixMicros::from_micros(at).as_secs()),
        outbox_depth: depths.pending,
        parked: depths.parked,
        waiting,
        quarantined,
        lines,
        doctor_codes: pipeline_handle
            .trouble()
            .map(str::to_owned)
            .into_iter()
            .collect(),
        sending: (sends == Sends::On).then_some(sending),
        free_disk_bytes: platform::free_disk_bytes(state.dir()),
        clock: now.as_secs(),
    })
}

#[cfg(test)]
mod tests {
    use shared_protocol::Line;

    use super::*;
    use crate::state::own_addresses::FoundAddresses;

    #[test]
    fn the_heartbeat_has_the_lines_of_the_state() {
        let dir = tempfile::tempdir().expect("a folder");
        let now = UnixMicros::from_secs(1_700_000_000);
        let state = State::open(dir.path(), now).expect("a new state");
        let pipeline_handle = Arc::new(PipelineHandle::default());
        let reported = || {
            gather(&state, &pipeline_handle, Sends::Off, None, now)
                .expect("gathered")
                .lines
        };
        assert_eq!(reported(), []);
        let lines = vec![Line {
            name: "+15550109999".to_owned(),
            addresses: vec!["+15550109999".to_owned(), "sage@example.com".to_owned()],
        }];
        state
            .write(|tx| own_addresses::save(tx, &FoundAddresses::default(), &lines))
            .expect("written");
        assert_eq!(reported(), lines);
    }
}
