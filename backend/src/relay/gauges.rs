//! Sets the gauges that tell how relays fare, from their last heartbeats in the database. So every replica tells the
//! same, whichever of them has got the pull. Rehearsals have no gauges.

use shared_protocol::{RelayStatus, SendingStatus};

use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

/// Sets the gauges of every relay that has pulled.
pub async fn update(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    for heartbeat in store.last_heartbeats().await? {
        let relay = heartbeat.name;
        metrics::gauge!("relay_last_seen_timestamp_seconds", "relay" => relay.clone())
            .set(float(heartbeat.last_seen_at.as_secs()));
        // A heartbeat that an older or newer version has stored in another form tells nothing more.
        let Ok(status) = serde_json::from_value(heartbeat.status.0) else {
            continue;
        };
        set_queues(&relay, &status);
        set_sending(&relay, &status.sending.unwrap_or_default(), now);
    }
    Ok(())
}

fn set_queues(relay: &str, status: &RelayStatus) {
    let label = || relay.to_owned();
    metrics::gauge!("relay_outbox_messages", "relay" => label()).set(float(status.outbox_depth));
    metrics::gauge!("relay_parked_messages", "relay" => label()).set(float(status.parked));
    metrics::gauge!("relay_quarantined_messages", "relay" => label())
        .set(float(status.quarantined));
    metrics::gauge!("relay_waiting_rows", "relay" => label()).set(float(status.waiting));
    metrics::gauge!("relay_failing_checks", "relay" => label())
        .set(float(status.doctor_codes.len()));
    if let Some(at) = status.last_good_scan_at {
        metrics::gauge!("relay_last_scan_timestamp_seconds", "relay" => label()).set(float(at));
    }
    if let Some(free) = status.free_disk_bytes {
        metrics::gauge!("relay_free_disk_bytes", "relay" => label()).set(float(free));
    }
}

/// A relay that does not send has the values of one whose ledger is empty.
fn set_sending(relay: &str, sending: &SendingStatus, now: Timestamp) {
    for (state, count) in [
        ("queued", sending.queued),
        ("open", sending.open),
        ("held", sending.held),
        ("unknown", sending.unknown),
    ] {
        metrics::gauge!("relay_bubbles", "relay" => relay.to_owned(), "state" => state)
            .set(float(count));
    }
    metrics::gauge!("relay_limited_chats", "relay" => relay.to_owned()).set(float(sending.limited));
    let is_stopped = (sending.stopped_until).is_some_and(|until| until > now.as_secs());
    for (reason, holds) in [("owner", sending.paused), ("breaker", is_stopped)] {
        metrics::gauge!("relay_sending_stopped", "relay" => relay.to_owned(), "reason" => reason)
            .set(f64::from(u8::from(holds)));
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge need not be exact beyond 2^53"
)]
fn float(value: impl TryInto<i64>) -> f64 {
    value.try_into().unwrap_or(i64::MAX) as f64
}
