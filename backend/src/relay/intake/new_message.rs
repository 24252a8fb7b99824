//! Converts a message to the row that the store writes, with its conversation and the person who wrote it.

use sha2::{Digest, Sha256};
use shared_protocol::{Address, Message, Mode, RelayName, conversation_guid};

use super::{identity, line, meta_data};
use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::people::DEFAULT_PERSONA;
use crate::phone::Phone;
use crate::relay::auth::Caller;
use crate::store::{Chat, NewMessage, Pepper};

pub(super) fn new_message(
    message: Message,
    caller: &Caller,
    relay: RelayName,
    identity: String,
    body_hash: [u8; 32],
    pepper: &Pepper,
    now: Timestamp,
) -> NewMessage {
    let meta_data = meta_data::of(&message);
    let changes = identity::of_changed(&relay, &message);
    let tombstone = |identity: &str| pepper.message_tombstone(relay.as_str(), identity);
    let (own_tombstone, changed_tombstones) = (
        tombstone(&identity),
        changes.iter().map(|changed| tombstone(changed)).collect(),
    );
    let line = line::of(&message).map_or_else(String::new, Address::into_string);
    let persona_id = message.persona_id.filter(|id| !id.is_empty());
    // A rehearsal gets no persona, so that it changes no relationship between a persona and a person.
    let persona_id =
        (!message.rehearsal).then(|| persona_id.unwrap_or_else(|| DEFAULT_PERSONA.to_owned()));
    // The sender of a message that the Mac's owner typed is the Mac's own number, which must become neither a person
    // nor the owner of another person's chat.
    let phone = (!message.from_owner)
        .then(|| Phone::parse(&message.sender))
        .flatten();
    let sender_owns_chat = message.mode == Mode::Direct && !message.from_owner;
    NewMessage {
        id: row_id(now),
        relay,
        receipt: caller.receipt(),
        identity,
        tombstone: own_tombstone,
        body_hash,
        chat: Chat {
            id: row_id(now),
            guid: index_key(conversation_guid(&message.chat_guid)),
            chat_guid: message.chat_guid,
            line,
            mode: message.mode,
            owner: sender_owns_chat.then(|| message.sender.clone()),
            participants_digest: participants_digest(&message.participants),
            participants: message.participants,
        },
        phone: phone.map(|phone| (phone.into_string(), row_id(now))),
        role: if message.from_owner { "owner" } else { "user" },
        sender: message.sender,
        persona_id,
        message_guid: message.message_guid,
        event: message.event,
        revision: i32::try_from(message.revision).expect("validation bounds it"),
        text: message.text,
        sent_at: Timestamp::from_micros(message.timestamp.as_micros()),
        service: message.service,
        from_owner: message.from_owner,
        is_backfill: message.is_backfill,
        changes,
        changed_tombstones,
        mentions: message.mentions,
        meta_data,
        turn: None,
        received_at: now,
    }
}

/// The guid for the index of conversations. On Postgres a row of the index holds at most 2,704 bytes, including line
/// and relay. So a guid of more than `MAX_BYTES`, which Messages does not write, is replaced by its hash.
fn index_key(guid: &str) -> String {
    const MAX_BYTES: usize = 1_200;
    if guid.len() <= MAX_BYTES {
        return guid.to_owned();
    }
    format!("sha256:{}", hex::encode(Sha256::digest(guid)))
}

/// A digest of the set of participants: their order and repetitions don't change it.
fn participants_digest(participants: &[String]) -> [u8; 32] {
    let mut sorted: Vec<&str> = participants.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut hash = Sha256::new();
    for handle in sorted {
        hash.update((handle.len() as u64).to_be_bytes());
        hash.update(handle);
    }
    hash.finalize().into()
}
