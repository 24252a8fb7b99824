//! Intake on SQLite: a batch is one transaction of the only connection that writes.
//!
//! The transaction has the write lock from its start, so no row can change between the lookup of a message and its
//! insertion.

pub(in crate::store) mod conversation;

use shared_protocol::Event;
use uuid::Uuid;

use super::batch::Batches;
use super::{NewMessage, QueuedMessage, Stored, fail, record_batch_size};
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::receipts::TAKE_RECEIPT;
use crate::store::replies::{self, OpeningMessage, Opens};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Pools, StoreError};

statements! {
    FIND_MESSAGE {
        sqlite: "select id, body_hash from messages where relay = $1 and identity = $2",
    }
    /// The message of the bubble whose row has the guid $2, else $3.
    FIND_OWN_SEND {
        sqlite: "select coalesce(message_id, $3) from command_bubbles
                 where relay = $1 and message_guid = $2",
    }
    FIND_TOMBSTONE {
        sqlite: "select 1 from tombstones
                 where hash = $1 and (expires_at is null or expires_at > $2)",
    }
    /// Counts a message of the person $1 in their relationship with the persona $2.
    COUNT_INTERACTION {
        sqlite: "insert into relationships (
                   id, user_id, persona_id, trust_score, stage, message_count, last_interaction_at)
                 values (randomblob(16), $1, $2, 0, 'new', 1, $3)
                 on conflict (user_id, persona_id) do update set
                   message_count = message_count + 1,
                   last_interaction_at =
                     max(coalesce(last_interaction_at, excluded.last_interaction_at),
                         coalesce(excluded.last_interaction_at, last_interaction_at))",
    }
    FIND_USER { sqlite: "select id from users where phone = $1" }
    CREATE_USER { sqlite: "insert into users (id, phone, created_at) values ($1, $2, $3)" }
    ADD_MENTION {
        sqlite: "insert into mentions (message_id, address) values ($1, $2) on conflict do nothing",
    }
    CREATE_MESSAGE {
        sqlite: "insert into messages (
                   id, conversation_id, user_id, role, text, meta_data, created_at, relay, identity,
                   body_hash, message_guid, event, revision, sender, service, from_owner,
                   is_backfill, sent_at, chat_guid)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
                   $19)",
    }
}

/// Writes batches until the queue is closed and empty.
pub(super) async fn run(pools: Pools, mut batches: Batches) {
    while batches.wait_for_message().await {
        let batch = batches.take();
        match write(&pools, &batch).await {
            Ok(outcomes) => {
                for (queued, stored) in batch.into_iter().zip(outcomes) {
                    queued.finish(Ok(stored));
                }
            }
            Err(error) => fail(batch, error),
        }
    }
}

/// Stores a batch in one transaction. Returns the result of each message, in the order of the batch.
async fn write(pools: &Pools, batch: &[QueuedMessage]) -> Result<Vec<Stored>, StoreError> {
    record_batch_size(batch);
    let mut tx = pools.begin_write().await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut turns = Vec::new();
    for queued in batch {
        outcomes.push(store(&mut tx, &queued.message, &mut turns).await?);
    }
    replies::open_turns(&mut tx, &turns).await?;
    tx.commit().await?;
    Ok(outcomes)
}

/// Stores a message in the transaction of its batch, unless the message or its request is stored already. A message
/// that opens a turn is added to `turns`.
async fn store(
    tx: &mut Tx,
    message: &NewMessage,
    turns: &mut Vec<OpeningMessage>,
) -> Result<Stored, StoreError> {
    let (relay, now) = (message.relay.as_str(), message.received_at);
    if let Some(receipt) = &message.receipt {
        let params = (
            receipt.relay.as_str(),
            &receipt.webhook_id,
            receipt.signed_at,
            now,
        );
        if tx.execute(TAKE_RECEIPT, params).await? == 0 {
            return Ok(Stored::Replayed);
        }
    }
    let params = (relay, &message.identity);
    let existing: Option<(Uuid, Option<Vec<u8>>)> = tx.optional(FIND_MESSAGE, params).await?;
    if let Some((id, body_hash)) = existing {
        return Ok(match body_hash {
            Some(hash) if hash != message.body_hash => Stored::Conflict(id),
            _ => Stored::Duplicate(id),
        });
    }
    // A change of a deleted message would store its text again.
    for tombstone in std::iter::once(&message.tombstone).chain(&message.changed_tombstones) {
        let params = (&tombstone[..], now);
        let found: Option<i64> = tx.optional_value(FIND_TOMBSTONE, params).await?;
        if found.is_some() {
            return Ok(Stored::Duplicate(message.id));
        }
    }
    // An own row that shows a bubble of a reply is not the owner's text. A relay that has lost its state posts such rows.
    if let Some(guid) = message
        .message_guid
        .as_deref()
        .filter(|_| message.from_owner)
    {
        let params = (relay, guid, message.id);
        if let Some(id) = tx.optional_value(FIND_OWN_SEND, params).await? {
            return Ok(Stored::OwnSend(id));
        }
    }
    let user_id = match &message.phone {
        Some((phone, new_id)) => Some(find_or_create_user(tx, phone, *new_id, now).await?),
        None => None,
    };
    let conversation_id = conversation::find_or_create(tx, message, user_id).await?;
    let params = (
        message.id,
        conversation_id,
        user_id,
        message.role,
        &message.text,
        message.meta_data.as_deref(),
        now,
        relay,
        &message.identity,
        &message.body_hash[..],
        message.message_guid.as_deref(),
        message.event.as_str(),
        message.revision,
        &message.sender,
        message.service.as_deref(),
        message.from_owner,
        message.is_backfill,
        message.sent_at,
        &message.chat.chat_guid,
    );
    tx.execute(CREATE_MESSAGE, params).await?;
    for address in &message.mentions {
        tx.execute(ADD_MENTION, (message.id, address)).await?;
    }
    if let Some(turn) = message.turn {
        let changes = &message.changes;
        if turn.opens != Opens::TurnIfTextWasMissing
            || replies::lacked_text(tx, relay, changes).await?
        {
            turns.push(OpeningMessage {
                id: message.id,
                conversation_id,
                received_at: now,
                turn,
            });
        }
    }
    if let (Some(user_id), Some(persona_id), Event::Message) =
        (user_id, &message.persona_id, message.event)
    {
        let interaction_at = (!message.is_backfill).then_some(now);
        let params = (user_id, persona_id, interaction_at);
        tx.execute(COUNT_INTERACTION, params).await?;
    }
    Ok(Stored::Accepted(message.id))
}

async fn find_or_create_user(
    tx: &mut Tx,
    phone: &str,
    new_id: Uuid,
    now: Timestamp,
) -> Result<Uuid, StoreError> {
    if let Some(id) = tx.optional_value(FIND_USER, (phone,)).await? {
        return Ok(id);
    }
    tx.execute(CREATE_USER, (new_id, phone, now)).await?;
    Ok(new_id)
}
