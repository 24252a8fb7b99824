//! The command desk: a relay's pull is its heartbeat, brings its acks, and waits for commands.
//!
//! A lease binds a relay's name to one installation. A pull changes the lease and the status, so a signed pull is
//! accepted only once, like a message. Only the installation that has the lease reports acks and gets commands. The
//! pull of a rehearsal takes a lease, stores its status and gets commands under the rehearsal's own relay name; its
//! lines are not stored.

mod acks;
mod fields;
mod handing;
mod lines;
mod pull;

use crash_point::crash_point;
use shared_protocol::{MessageTime, NewestMessage, RelayName};

use crate::clock::Timestamp;
use crate::relay::auth::Caller;
use crate::store::replies::{Heartbeat, Restored, TakenHeartbeat};
use crate::store::{LinesUpdate, NewestRow, ReplayCheck, Store, StoreError};

pub use handing::{CommandsOfAnswer, next_commands};
pub use pull::Pull;

/// Why a pull failed.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error("replayed")]
    Replayed,
    #[error("another installation holds the relay's name")]
    Elsewhere,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Stores the receipt of the request, takes or renews the lease, and stores the relay's status and acks. If the relay
/// has stored commands that are not ours, numbers its open commands anew.
pub async fn heartbeat(
    store: &Store,
    caller: &Caller,
    pull: &Pull,
    now: Timestamp,
) -> Result<(), PullError> {
    if let Some(receipt) = caller.receipt()
        && store.take_receipt(&receipt, now).await? == ReplayCheck::Replay
    {
        return Err(PullError::Replayed);
    }
    let request = &pull.request;
    let relay = pull.relay(caller);
    let has_acks = !request.acks.is_empty();
    if has_acks {
        crash_point("before_acks");
    }
    let heartbeat = Heartbeat {
        relay: &relay,
        instance: &request.instance_id,
        status: &request.status,
        after: pull.after(),
        acks: &request.acks,
        lease: request.lease,
    };
    let (restored, taken) = match store.take_heartbeat(heartbeat, now).await? {
        TakenHeartbeat::Taken { restored, acks } => (restored, acks),
        TakenHeartbeat::Elsewhere => return Err(PullError::Elsewhere),
    };
    if has_acks {
        crash_point("acks_taken");
    }
    if let Some(restored) = restored {
        alert_restored(&relay, restored);
    }
    acks::count(&relay, &taken, now);
    if let Some(change) = request.lease {
        tracing::info!(
            relay = relay.as_str(),
            ?change,
            "the lease of a relay's name was changed, as its owner asks"
        );
    }
    if request.rehearsal {
        return Ok(());
    }
    if !pull.own_addresses.is_empty() {
        if let LinesUpdate::Changed { conversations } =
            store.set_lines(&relay, &pull.own_addresses).await?
        {
            tracing::info!(
                relay = relay.as_str(),
                addresses = pull.own_addresses.len(),
                conversations,
                "a relay's lines changed; its conversations were renamed accordingly"
            );
        }
        lines::claim(store, &relay, &pull.own_addresses, now).await?;
    }
    Ok(())
}

/// Tells the owner that the relay has stored commands that are not ours.
fn alert_restored(relay: &RelayName, restored: Restored) {
    metrics::counter!("relay_alerts_total", "kind" => "restored_backend").increment(1);
    tracing::error!(
        relay = relay.as_str(),
        renumbered = restored.renumbered,
        resend_since = restored.resend_since.map(Timestamp::as_secs),
        "the relay has commands that this database does not have: it was restored from a backup. Open commands got \
         new numbers, and the relay sends its messages again"
    );
}

impl From<NewestRow> for NewestMessage {
    fn from(row: NewestRow) -> Self {
        Self {
            message_guid: row.message_guid,
            timestamp: MessageTime::from_micros(row.sent_at.as_micros()),
        }
    }
}
