//! From a verified request's body to a stored message.
//!
//! The body is read only here, after its sender is known. What two requests must share to be the same
//! message is decided in `identity`; which conversation and person a message belongs to, in
//! `draft`; what the store then does with both is the store's business.

mod draft;
mod extras;
mod identity;
mod nul;

use shared_protocol::{InvalidMessage, Message};

use crate::clock::Timestamp;
use crate::relay_auth::Caller;
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

/// Reads, checks and stores the message in `body`, sent by `caller`.
pub async fn receive(
    store: &Store,
    pepper: &Pepper,
    caller: &Caller<'_>,
    body: &[u8],
    now: Timestamp,
) -> Result<Stored, IntakeError> {
    let mut message = Message::from_json(body)?;
    if caller.contradicts(message.relay_id.as_deref()) {
        return Err(IntakeError::RelayMismatch);
    }
    nul::replace(&mut message, body);
    let body_hash = identity::digest(body);
    let identity = identity::of(store, caller, &message, &body_hash, now).await?;
    let tombstone = pepper.message_tombstone(caller.relay().as_str(), &identity);
    let draft = draft::new_message(message, caller, identity, tombstone, body_hash, now);
    Ok(store.store_message(draft).await?)
}
