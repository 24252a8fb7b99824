//! Counts what the acks of a pull have changed.

use shared_protocol::{AckState, RelayName};

use crate::clock::Timestamp;
use crate::store::replies::{BubbleChange, TakenAcks};

/// Counts the new states of bubbles, and the acks of bubbles that are not stored.
pub(super) fn count(relay: &RelayName, taken: &TakenAcks, now: Timestamp) {
    if taken.forgotten > 0 {
        metrics::counter!("forgotten_acks_total").increment(taken.forgotten as u64);
        tracing::info!(
            relay = relay.as_str(),
            acks = taken.forgotten,
            "acks of commands that are not stored; counted"
        );
    }
    for change in &taken.changes {
        count_change(change, now);
    }
}

fn count_change(change: &BubbleChange, now: Timestamp) {
    metrics::counter!("bubbles_total", "state" => change.to.as_str()).increment(1);
    let Some(asked_at) = change.asked_at else {
        return;
    };
    let waited = seconds_between(asked_at, now);
    if is_in_chat(change.to) && !change.from.is_some_and(is_in_chat) {
        metrics::histogram!("reply_first_bubble_seconds").record(waited);
    }
    if change.to == AckState::Delivered {
        metrics::histogram!("reply_delivered_seconds").record(waited);
    }
}

/// Whether the row of the bubble is known to be in chat.db.
fn is_in_chat(state: AckState) -> bool {
    matches!(
        state,
        AckState::RowSeen | AckState::Sent | AckState::Delivered
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a metric need not be exact to the microsecond"
)]
fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_micros() - from.as_micros()).max(0) as f64 / 1e6
}
