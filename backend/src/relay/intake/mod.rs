//! From a verified request's body to a stored message.
//!
//! The body is read only here, after its sender is known. What two requests must share to be the same
//! message is decided in `identity`; which conversation and person a message belongs to, in
//! `draft` and `line`; what the store then does with both is the store's business.
//!
//! A rehearsal is a relay of its own: nothing that it posts shares an identity, a conversation or a
//! newest message with what the relay posts by whose secret it came.

mod draft;
mod extras;
mod identity;
mod line;
mod nul;

use shared_protocol::{Event, InvalidMessage, Message, RelayName};

use crate::clock::Timestamp;
use crate::relay::auth::Caller;
use crate::store::{Pepper, Store, StoreError, Stored};

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The body is not an acceptable message.
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
    /// The body names another relay than the secret does.
    #[error("the body names another relay than the secret does")]
    RelayMismatch,
    /// The database did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A message that was read, and what became of it.
#[derive(Debug)]
pub struct Received {
    /// The relay under which it is kept.
    pub relay: RelayName,
    /// What happened.
    pub event: Event,
    /// What became of it.
    pub stored: Stored,
}

/// Reads, checks and stores the message in `body`, sent by `caller`.
pub async fn receive(
    store: &Store,
    pepper: &Pepper,
    caller: &Caller,
    body: &[u8],
    now: Timestamp,
) -> Result<Received, IntakeError> {
    let mut message = Message::from_json(body)?;
    if caller.contradicts(message.relay_id.as_deref()) {
        return Err(IntakeError::RelayMismatch);
    }
    nul::replace(&mut message, body);
    let body_hash = identity::digest(body);
    let relay = if message.rehearsal {
        caller.relay().rehearsal()
    } else {
        caller.relay().clone()
    };
    let identity = identity::of(store, caller, &relay, &message, &body_hash, now).await?;
    let tombstone = pepper.message_tombstone(relay.as_str(), &identity);
    let event = message.event;
    let mut draft = draft::new_message(
        message,
        caller,
        relay.clone(),
        identity,
        tombstone,
        body_hash,
        now,
    );
    draft.changed_tombstones = (draft.changes.iter())
        .map(|changed| pepper.message_tombstone(relay.as_str(), changed))
        .collect();
    Ok(Received {
        relay,
        event,
        stored: store.store_message(draft).await?,
    })
}
