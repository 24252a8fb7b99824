//! Intake on SQLite: a batch is one transaction of the one writer.
//!
//! `begin immediate` takes the write lock at once; a transaction that read first and wrote later could
//! find that somebody else had written in between, and would have to start over. With the lock held
//! nothing races, so each message is looked up and then written in plain steps. A connection on which
//! something failed is not used again.

pub(in crate::store) mod conversation;

use shared_protocol::Event;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, SqlitePool};
use uuid::Uuid;

use super::batch::Source;
use super::{Job, NewMessage, Stored};
use crate::store::StoreError;
use crate::store::receipts::TAKE_RECEIPT;
use crate::store::statements::statements;

statements! {
    FIND_MESSAGE {
        sqlite: "select id, body_hash from messages where relay = $1 and identity = $2",
    }
    /// Removed with its person or by retention: known, answered, and not stored again.
    FIND_TOMBSTONE {
        sqlite: "select 1 from tombstones \
                 where hash = $1 and (expires_at is null or expires_at > $2)",
    }
    COUNT_INTERACTION {
        sqlite: "insert into relationships ( \
                   id, user_id, persona_id, trust_score, stage, message_count, last_interaction_at) \
                 values (randomblob(16), $1, $2, 0, 'new', 1, $3) \
                 on conflict (user_id, persona_id) do update set \
                   message_count = message_count + 1, \
                   last_interaction_at = \
                     max(coalesce(last_interaction_at, excluded.last_interaction_at), \
                         coalesce(excluded.last_interaction_at, last_interaction_at))",
    }
    FIND_USER { sqlite: "select id from users where phone = $1" }
    CREATE_USER { sqlite: "insert into users (id, phone, created_at) values ($1, $2, $3)" }
    ADD_MENTION {
        sqlite: "insert into mentions (message_id, address) values ($1, $2) on conflict do nothing",
    }
    CREATE_MESSAGE {
        sqlite: "insert into messages ( \
                   id, conversation_id, user_id, role, text, meta_data, created_at, relay, identity, \
                   body_hash, message_guid, event, revision, sender, service, from_owner, \
                   is_backfill, sent_at) \
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    }
}

/// Writes batches until the queue is closed and empty.
pub(super) async fn run(writer: SqlitePool, mut source: Source) {
    while source.ready().await {
        let batch = source.take();
        match write(&writer, &batch).await {
            Ok(outcomes) => {
                for (job, stored) in batch.into_iter().zip(outcomes) {
                    job.finish(Ok(stored));
                }
            }
            Err(error) => {
                let error = StoreError::from(error);
                tracing::error!(error = %error, cause = %error.cause(), messages = batch.len(), "intake failed");
                for job in batch {
                    job.finish(Err(error.clone()));
                }
            }
        }
    }
}

async fn write(writer: &SqlitePool, batch: &[Job]) -> Result<Vec<Stored>, sqlx::Error> {
    metrics::histogram!("intake_batch_messages")
        .record(f64::from(u32::try_from(batch.len()).unwrap_or(u32::MAX)));
    let mut connection = writer.acquire().await?;
    let written = commit(&mut connection, batch).await;
    if written.is_err() {
        // A full disk makes SQLite roll back by itself, and the driver, whose own rollback then finds
        // nothing to undo, would count a transaction as open on this connection for ever.
        if let Err(error) = connection.close().await {
            tracing::warn!(error = %error, "the failed connection did not close cleanly");
        }
    }
    written
}

async fn commit(
    connection: &mut SqliteConnection,
    batch: &[Job],
) -> Result<Vec<Stored>, sqlx::Error> {
    let mut transaction = connection.begin_with("begin immediate").await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for job in batch {
        outcomes.push(store(&mut transaction, &job.message).await?);
    }
    transaction.commit().await?;
    Ok(outcomes)
}

async fn store(db: &mut SqliteConnection, message: &NewMessage) -> Result<Stored, sqlx::Error> {
    let relay = message.relay.as_str();
    if let Some(receipt) = &message.receipt {
        let taken = sqlx::query(TAKE_RECEIPT.sqlite)
            .bind(receipt.relay.as_str())
            .bind(&receipt.webhook_id)
            .bind(receipt.signed_at)
            .bind(message.received_at)
            .execute(&mut *db)
            .await?;
        if taken.rows_affected() == 0 {
            return Ok(Stored::Replayed);
        }
    }
    let existing: Option<(Uuid, Option<Vec<u8>>)> = sqlx::query_as(FIND_MESSAGE.sqlite)
        .bind(relay)
        .bind(&message.identity)
        .fetch_optional(&mut *db)
        .await?;
    if let Some((id, body_hash)) = existing {
        let same = body_hash.is_none_or(|hash| hash == message.body_hash);
        return Ok(if same {
            Stored::Duplicate(id)
        } else {
            Stored::Conflict(id)
        });
    }
    // The change of a removed message would bring back what it said.
    for tombstone in std::iter::once(&message.tombstone).chain(&message.changed_tombstones) {
        let buried = sqlx::query(FIND_TOMBSTONE.sqlite)
            .bind(&tombstone[..])
            .bind(message.received_at)
            .fetch_optional(&mut *db)
            .await?;
        if buried.is_some() {
            return Ok(Stored::Duplicate(message.id));
        }
    }
    let user_id = match &message.phone {
        Some((phone, new_id)) => Some(user(db, phone, *new_id, message).await?),
        None => None,
    };
    let conversation_id = conversation::of(db, message, user_id).await?;
    sqlx::query(CREATE_MESSAGE.sqlite)
        .bind(message.id)
        .bind(conversation_id)
        .bind(user_id)
        .bind(message.role)
        .bind(&message.text)
        .bind(message.meta_data.as_deref())
        .bind(message.received_at)
        .bind(relay)
        .bind(&message.identity)
        .bind(&message.body_hash[..])
        .bind(message.message_guid.as_deref())
        .bind(message.event.as_str())
        .bind(message.revision)
        .bind(&message.sender)
        .bind(message.service.as_deref())
        .bind(message.from_owner)
        .bind(message.is_backfill)
        .bind(message.sent_at)
        .execute(&mut *db)
        .await?;
    for address in &message.mentions {
        sqlx::query(ADD_MENTION.sqlite)
            .bind(message.id)
            .bind(address)
            .execute(&mut *db)
            .await?;
    }
    if let (Some(user_id), Some(persona_id), Event::Message) =
        (user_id, &message.persona_id, message.event)
    {
        let spoken_at = (!message.is_backfill).then_some(message.received_at);
        sqlx::query(COUNT_INTERACTION.sqlite)
            .bind(user_id)
            .bind(persona_id)
            .bind(spoken_at)
            .execute(&mut *db)
            .await?;
    }
    Ok(Stored::Accepted(message.id))
}

async fn user(
    db: &mut SqliteConnection,
    phone: &str,
    new_id: Uuid,
    message: &NewMessage,
) -> Result<Uuid, sqlx::Error> {
    let known = sqlx::query_scalar(FIND_USER.sqlite)
        .bind(phone)
        .fetch_optional(&mut *db)
        .await?;
    if let Some(id) = known {
        return Ok(id);
    }
    sqlx::query(CREATE_USER.sqlite)
        .bind(new_id)
        .bind(phone)
        .bind(message.received_at)
        .execute(db)
        .await?;
    Ok(new_id)
}
