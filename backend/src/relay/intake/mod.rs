//! The intake: parses the body of a verified request, and stores its message.
//!
//! The body is parsed only here, after its sender is known. `identity` decides which requests carry the same
//! message; `new_message` and `line` decide to which conversation and person a message belongs.
//!
//! `replies` decides whether a message opens a turn, which the store writes together with the message.
//!
//! A rehearsal has its own relay name. Its messages are separate from those of the relay whose secret signed them:
//! in identities, conversations and the newest message.

mod identity;
mod line;
mod meta_data;
mod new_message;
mod nul;

use sha2::{Digest, Sha256};
use shared_protocol::{Event, InvalidMessage, Message, RelayName};

use crate::clock::Timestamp;
use crate::relay::auth::Caller;
use crate::replies::{TurnRules, takes_over};
use crate::store::{NewMessage, Pepper, Store, StoreError, Stored};
use new_message::new_message;

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error(transparent)]
    Invalid(#[from] InvalidMessage),
    #[error("the body names another relay than the secret does")]
    RelayMismatch,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A message that was read, and the result of storing it.
#[derive(Debug)]
pub struct Received {
    /// The name of the relay that the message is stored under.
    pub relay: RelayName,
    pub event: Event,
    /// Whether the Mac's owner has taken the conversation over.
    pub is_takeover: bool,
    pub stored: Stored,
}

/// Reads, checks and stores the message in `body`, sent by `caller`.
pub async fn receive(
    store: &Store,
    pepper: &Pepper,
    turns: &TurnRules,
    caller: &Caller,
    body: &[u8],
    now: Timestamp,
) -> Result<Received, IntakeError> {
    let message = Message::from_json(body)?;
    if caller.contradicts(message.relay_id.as_deref()) {
        return Err(IntakeError::RelayMismatch);
    }
    let message = nul::replace(message, body);
    let body_hash = Sha256::digest(body).into();
    let relay = if message.rehearsal {
        caller.relay().rehearsal()
    } else {
        caller.relay().clone()
    };
    let event = message.event;
    let identity = identity::of(store, caller, &relay, &message, &body_hash, now).await?;
    let is_takeover = takes_over(&message);
    let turn = turns.opening(&message);
    let message = NewMessage {
        turn,
        ..new_message(
            message,
            caller,
            relay.clone(),
            identity,
            body_hash,
            pepper,
            now,
        )
    };
    let stored = store.store_message(message).await?;
    Ok(Received {
        relay,
        event,
        is_takeover: is_takeover && !matches!(stored, Stored::OwnSend(_)),
        stored,
    })
}
