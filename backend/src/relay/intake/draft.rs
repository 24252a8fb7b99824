//! A message as the store takes it: the conversation it belongs to, the person who wrote it.

use sha2::{Digest, Sha256};
use shared_protocol::{Address, Message, Mode, RelayName, conversation_guid};

use super::{extras, identity, line};
use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::people::DEFAULT_PERSONA;
use crate::phone::Phone;
use crate::relay::auth::Caller;
use crate::store::{Chat, NewMessage};

pub(super) fn new_message(
    message: Message,
    caller: &Caller,
    relay: RelayName,
    identity: String,
    tombstone: [u8; 32],
    body_hash: [u8; 32],
    now: Timestamp,
) -> NewMessage {
    let meta_data = extras::of(&message);
    let changes = identity::of_changed(&relay, &message);
    let line = line::of(&message).map_or_else(String::new, Address::into_string);
    let persona_id = message.persona_id.filter(|id| !id.is_empty());
    // A rehearsal is no conversation with a person: what is known of people stays as it is.
    let spoken_to =
        (!message.rehearsal).then(|| persona_id.unwrap_or_else(|| DEFAULT_PERSONA.to_owned()));
    // What the Mac's owner typed is not a person's message: it must not make the Mac's own number a person,
    // nor the owner of another person's chat.
    let phone = (!message.from_owner)
        .then(|| Phone::parse(&message.sender))
        .flatten();
    let is_theirs = message.mode == Mode::Direct && !message.from_owner;
    NewMessage {
        id: row_id(now),
        relay,
        receipt: caller.receipt(),
        identity,
        tombstone,
        body_hash,
        chat: Chat {
            id: row_id(now),
            guid: index_key(conversation_guid(&message.chat_guid)),
            chat_guid: message.chat_guid,
            line,
            mode: message.mode,
            owner: is_theirs.then(|| message.sender.clone()),
            participants_digest: participants_digest(&message.participants),
            participants: message.participants,
        },
        phone: phone.map(|phone| (phone.into_string(), row_id(now))),
        role: if message.from_owner { "owner" } else { "user" },
        sender: message.sender,
        persona_id: spoken_to,
        message_guid: message.message_guid,
        event: message.event,
        revision: i32::try_from(message.revision).expect("validation bounds it"),
        text: message.text,
        sent_at: Timestamp::from_micros(message.timestamp.as_micros()),
        service: message.service,
        from_owner: message.from_owner,
        is_backfill: message.is_backfill,
        changes,
        changed_tombstones: Vec::new(),
        mentions: message.mentions,
        meta_data,
        received_at: now,
    }
}

/// A guid as the index of conversations takes it: a row of it holds 2,704 bytes on Postgres, line and relay
/// included. No guid of Messages is as long; such a one is named by its hash, which keeps chats apart.
fn index_key(guid: &str) -> String {
    const MAX_BYTES: usize = 1_200;
    if guid.len() <= MAX_BYTES {
        return guid.to_owned();
    }
    Sha256::digest(guid)
        .iter()
        .fold("sha256:".to_owned(), |key, byte| {
            key + &format!("{byte:02x}")
        })
}

/// Order and repetition don't make another set of people.
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
