//! People and messages, written to a store without the HTTP routes.

use archety_backend::clock::Timestamp;
use archety_backend::otp::Device;
use archety_backend::people::resolve_for_sign_in;
use archety_backend::phone::Phone;
use archety_backend::store::people::{MessagePosition, MessageQuery, MessageRow, Reader};
use archety_backend::store::{Actor, NewMessage, Pepper, Stored};
use uuid::Uuid;

use crate::store::message_builder::{direct, from, id, in_chat, received};
use crate::support::TestStore;

/// Executes one statement and returns the number of changed rows.
macro_rules! execute {
    ($store:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $store.store.pools() {
            archety_backend::store::Pools::Postgres(pool) => {
                sqlx::query($sql)$(.bind($bind))*.execute(pool).await.map(|done| done.rows_affected())
            }
            archety_backend::store::Pools::Sqlite { writer, .. } => {
                sqlx::query($sql)$(.bind($bind))*.execute(writer).await.map(|done| done.rows_affected())
            }
        }
        .expect("a statement")
    };
}

/// Returns the rows of one query.
macro_rules! select {
    ($store:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $store.store.pools() {
            archety_backend::store::Pools::Postgres(pool) => {
                sqlx::query_as($sql)$(.bind($bind))*.fetch_all(pool).await
            }
            archety_backend::store::Pools::Sqlite { writer, .. } => {
                sqlx::query_as($sql)$(.bind($bind))*.fetch_all(writer).await
            }
        }
        .expect("rows")
    };
}

pub(super) use {execute, select};

pub(super) const ADA: &str = "+15550100001";
pub(super) const BEN: &str = "+15550100002";
pub(super) const ISSUER: &str = "https://issuer.test";

pub(super) fn phone(text: &str) -> Phone {
    Phone::parse(text).expect("a phone")
}

/// Signs the holder of `number` in, with a confirmed account.
pub(super) async fn signed_in(store: &TestStore, number: &str, now: Timestamp) -> Actor {
    let resolved = resolve_for_sign_in(&store.store, &phone(number), Device::Unknown, now)
        .await
        .expect("resolved");
    let actor = Actor {
        user_id: resolved.user_id,
        issuer: ISSUER.to_owned(),
        subject: id(),
    };
    execute!(
        store,
        "insert into accounts (issuer, user_id, subject, created_at, confirmed_at) \
         values ($1, $2, $3, $4, $4) \
         on conflict (issuer, user_id) do update set subject = excluded.subject",
        &actor.issuer,
        actor.user_id,
        actor.subject,
        now
    );
    actor
}

/// A direct message of `number`, in the chat with that number.
pub(super) fn from_person(identity: &str, number: &str, at: Timestamp) -> NewMessage {
    let chat = format!("iMessage;-;{number}");
    let mut message = received(in_chat(from(direct(identity), number), &chat), at);
    message.chat.participants = vec![number.to_owned()];
    message.sent_at = at;
    message
}

/// A message of `number` in the group `name`.
pub(super) fn in_group(identity: &str, name: &str, number: &str, at: Timestamp) -> NewMessage {
    let mut message = from_person(identity, number, at);
    message.chat.guid = format!("+;{name}");
    message.chat.chat_guid = format!("iMessage;+;{name}");
    message.chat.mode = shared_protocol::Mode::Group;
    message.chat.owner = None;
    message.chat.participants = vec![ADA.to_owned(), BEN.to_owned()];
    message
}

/// A message of the Mac's owner in the chat with `number`.
pub(super) fn typed(identity: &str, number: &str, at: Timestamp) -> NewMessage {
    let mut message = from_person(identity, number, at);
    "+15550100900".clone_into(&mut message.sender);
    (message.chat.owner, message.phone) = (None, None);
    (message.from_owner, message.role) = (true, "owner");
    message
}

/// Stores a message whose text is its identity.
pub(super) async fn store(store: &TestStore, mut message: NewMessage) -> Stored {
    message.text = message.identity.clone();
    store.store.store_message(message).await.expect("stored")
}

/// `message` with the keyed hash that intake computes. The hash stays after the deletion of the message's person.
pub(super) fn with_tombstone(mut message: NewMessage, pepper: &Pepper) -> NewMessage {
    message.tombstone = pepper.message_tombstone(message.relay.as_str(), &message.identity);
    message
}

/// A reply of the persona in the conversation of a stored message.
pub(super) async fn reply(store: &TestStore, text: &str, to: &str, at: Timestamp) {
    let rows = execute!(
        store,
        "insert into messages (id, conversation_id, role, text, created_at, identity) \
         select $1, conversation_id, 'assistant', $2, $3, $2 from messages where identity = $4",
        id(),
        text,
        at,
        to
    );
    assert_eq!(rows, 1);
}

pub(super) fn themselves(actor: &Actor) -> Reader {
    Reader::Themselves(actor.clone())
}

pub(super) async fn page(
    store: &TestStore,
    reader: &Reader,
    below: MessagePosition,
    limit: u32,
    conversation_id: Option<Uuid>,
) -> Vec<MessageRow> {
    let query = MessageQuery {
        below,
        limit,
        conversation_id,
    };
    store.store.messages(reader, query).await.expect("a page")
}

/// The texts that a reader sees, newest first.
pub(super) async fn texts(store: &TestStore, reader: &Reader) -> Vec<String> {
    let rows = page(store, reader, MessagePosition::TOP, 100, None).await;
    rows.into_iter().map(|row| row.text).collect()
}
