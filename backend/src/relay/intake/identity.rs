//! The identity of a message, by which a retry is recognised.
//!
//! A message with a guid is identified by guid, event and revision: the same row of chat.db is the same message,
//! however it is sent. A signed message without a guid is identified by its webhook-id. A message without a guid that
//! came with a bearer secret has no webhook-id, so the same body within ten minutes counts as a retry. A longer window
//! would drop the second "ok" of a person who says it twice.

use std::time::Duration;

use shared_protocol::{Event, Message, MessageIdentity, RelayName};

use crate::clock::Timestamp;
use crate::relay::auth::{Caller, CallerProof};
use crate::store::{Store, StoreError};

/// The time within which a message without a guid and with the same body counts as a retry.
const BODY_WINDOW: Duration = Duration::from_mins(10);

/// The identity of a message, unique per relay.
pub(super) async fn of(
    store: &Store,
    caller: &Caller,
    relay: &RelayName,
    message: &Message,
    body_hash: &[u8; 32],
    now: Timestamp,
) -> Result<String, StoreError> {
    if let Some(guid) = &message.message_guid {
        return Ok(of_guid(relay, guid, message.event, message.revision));
    }
    match caller.proof() {
        CallerProof::Signature { id, .. } => Ok(id.as_str().to_owned()),
        CallerProof::Bearer => {
            let opened_at = store
                .open_body_window(relay, body_hash, now, now.minus(BODY_WINDOW))
                .await?;
            Ok(body_identity(body_hash, opened_at))
        }
    }
}

/// The identities that the changed message may have, if this message changes an earlier one. The earlier message was
/// sent as event `message`, or as `other` because its text came later.
pub(super) fn of_changed(relay: &RelayName, message: &Message) -> Vec<String> {
    let is_change = match message.event {
        Event::Edit | Event::Unsend | Event::AttachmentUpdate => true,
        Event::Message | Event::Tapback | Event::GroupChange | Event::Other => false,
    };
    let guid = message.message_guid.as_deref().filter(|_| is_change);
    let first_sent = [(Event::Message, 0), (Event::Other, 1)];
    guid.into_iter()
        .flat_map(|guid| first_sent.map(|(event, revision)| of_guid(relay, guid, event, revision)))
        .collect()
}

fn of_guid(relay: &RelayName, message_guid: &str, event: Event, revision: u32) -> String {
    let identity = MessageIdentity {
        relay,
        message_guid,
        event,
        revision,
    };
    identity.webhook_id().as_str().to_owned()
}

/// The prefix differs from that of every webhook-id, so the two kinds of identity cannot be equal.
fn body_identity(body_hash: &[u8; 32], opened_at: Timestamp) -> String {
    let hash = hex::encode(body_hash);
    format!("body_{hash}_{}", opened_at.as_micros())
}
