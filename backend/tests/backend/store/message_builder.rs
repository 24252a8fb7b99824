//! Builds messages for tests that call the store directly.

use archety_backend::clock::Timestamp;
use archety_backend::store::{Chat, NewMessage, Receipt};
use shared_protocol::{Event, Mode, RelayName};
use uuid::Uuid;

use crate::support::NOW;

/// A direct message of +1 555 010 0001, with this identity.
pub(crate) fn direct(identity: &str) -> NewMessage {
    NewMessage {
        id: id(),
        relay: RelayName::default(),
        receipt: None,
        identity: identity.to_owned(),
        tombstone: tombstone_of(identity),
        body_hash: [1; 32],
        chat: Chat {
            id: id(),
            guid: "-;+15550100001".to_owned(),
            chat_guid: "iMessage;-;+15550100001".to_owned(),
            line: String::new(),
            mode: Mode::Direct,
            owner: Some("+15550100001".to_owned()),
            participants: vec!["+15550100001".to_owned()],
            participants_digest: [2; 32],
        },
        sender: "+15550100001".to_owned(),
        phone: Some(("+15550100001".to_owned(), id())),
        role: "user",
        persona_id: Some("sage".to_owned()),
        message_guid: Some(format!("guid-{identity}")),
        event: Event::Message,
        revision: 0,
        text: "hello".to_owned(),
        sent_at: NOW,
        service: Some("iMessage".to_owned()),
        from_owner: false,
        is_backfill: false,
        changes: Vec::new(),
        changed_tombstones: Vec::new(),
        mentions: Vec::new(),
        meta_data: Some("{\"effect\":\"echo\"}".to_owned()),
        turn: None,
        received_at: NOW,
    }
}

/// A substitute for the keyed hash by which the backend recognises a deleted message.
pub(crate) fn tombstone_of(identity: &str) -> [u8; 32] {
    let mut hash = [7_u8; 32];
    for (n, byte) in identity.bytes().enumerate() {
        hash[n % 31] = hash[n % 31].wrapping_mul(31).wrapping_add(byte);
    }
    hash
}

pub(crate) fn on_line(mut message: NewMessage, line: &str) -> NewMessage {
    line.clone_into(&mut message.chat.line);
    message
}

pub(crate) fn from(mut message: NewMessage, sender: &str) -> NewMessage {
    sender.clone_into(&mut message.sender);
    message.chat.owner = Some(sender.to_owned());
    message.phone = sender.starts_with('+').then(|| (sender.to_owned(), id()));
    message
}

pub(crate) fn in_chat(mut message: NewMessage, chat_guid: &str) -> NewMessage {
    shared_protocol::conversation_guid(chat_guid).clone_into(&mut message.chat.guid);
    chat_guid.clone_into(&mut message.chat.chat_guid);
    message
}

pub(crate) fn received(mut message: NewMessage, at: Timestamp) -> NewMessage {
    message.received_at = at;
    message
}

pub(crate) fn signed(mut message: NewMessage, webhook_id: &str, signed_at: i64) -> NewMessage {
    message.receipt = Some(Receipt {
        relay: message.relay.clone(),
        webhook_id: webhook_id.to_owned(),
        signed_at,
    });
    message
}

#[expect(clippy::disallowed_methods, reason = "any id will do in a test")]
pub(crate) fn id() -> Uuid {
    Uuid::new_v4()
}
