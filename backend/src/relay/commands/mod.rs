//! The command desk: a relay's pull is its heartbeat, brings its acks, and waits for commands.
//!
//! A lease binds a relay's name to one installation. A pull changes the lease and the status, so a signed pull is
//! accepted only once, like a message. Acks are taken after the lease, so only the installation that has it reports.
//! The pull of a rehearsal takes a lease, stores its status and gets commands under the rehearsal's own relay name; its
//! lines are not stored, and it sets no metric.

mod acks;
mod fields;
mod handing;
mod lines;
mod pull;

use shared_protocol::{MessageTime, NewestMessage};

use crate::clock::Timestamp;
use crate::relay::auth::Caller;
use crate::store::{Lease, LinesUpdate, NewestRow, ReplayCheck, Store, StoreError};

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
    // The lease overwrites the time of the last pull, which a restored database needs.
    let restored = handing::find_restored(store, &relay, pull).await?;
    match store
        .renew_lease(&relay, &request.instance_id, &request.status, now)
        .await?
    {
        Lease::Held => {}
        Lease::Elsewhere => return Err(PullError::Elsewhere),
    }
    if let Some(restored) = restored {
        restored.renumber(store, &relay, now).await?;
    }
    acks::take(store, &relay, &request.acks, now).await?;
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
    #[expect(
        clippy::cast_precision_loss,
        reason = "Unix seconds are far below 2^53"
    )]
    metrics::gauge!("relay_last_seen_timestamp_seconds", "relay" => relay.to_string())
        .set(now.as_secs() as f64);
    Ok(())
}

impl From<NewestRow> for NewestMessage {
    fn from(row: NewestRow) -> Self {
        Self {
            message_guid: row.message_guid,
            timestamp: MessageTime::from_micros(row.sent_at.as_micros()),
        }
    }
}
