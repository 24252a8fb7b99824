//! Intake on SQLite: a batch is one transaction of the one writer.
//!
//! `begin immediate` takes the write lock at once; a transaction that read first and wrote later could
//! find that somebody else had written in between, and would have to start over. With the lock held
//! nothing races, so each message is looked up and then written in plain steps. A connection on which
//! something failed is not used again.

use shared_protocol::Event;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, FromRow, SqlitePool};
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
    /// Of somebody who was deleted: known, answered, and not stored again.
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
    /// Where the message went that this one changes.
    FIND_CHANGED {
        sqlite: "select conversation_id from messages where relay = $1 and identity = $2",
    }
    /// The conversation of exactly this line first, then one that has none yet. Any own address of a line
    /// stands for it; under one of its other addresses stands what was closed when the line was told.
    FIND_CONVERSATION {
        sqlite: "with own (line) as materialized ( \
                   select coalesce( \
                     (select line from relay_lines where relay = $1 and address = $3), $3)) \
                 select c.id, c.chat_guid, c.line, c.owner_handle, c.participants_digest \
                 from own cross join conversations c \
                 where c.relay = $1 and c.guid = $2 and (c.line = own.line or c.line = '' or ( \
                   own.line = '' and not exists ( \
                     select 1 from relay_lines l \
                     where l.relay = $1 and l.address = c.line and l.line <> c.line))) \
                 order by c.line = own.line desc, c.created_at, c.id limit 1",
    }
    CREATE_CONVERSATION {
        sqlite: "insert into conversations ( \
                   id, chat_guid, mode, created_at, relay, line, guid, owner_handle, user_id, \
                   participants_digest) \
                 values ($1, $2, $3, $4, $5, \
                   coalesce((select line from relay_lines where relay = $5 and address = $6), $6), \
                   $7, $8, $9, $10)",
    }
    TOUCH_CONVERSATION {
        sqlite: "update conversations set \
                   line = case when line = '' \
                     then coalesce((select l.line from relay_lines l \
                       where l.relay = conversations.relay and l.address = $2), $2) \
                     else line end, \
                   user_id = case when owner_handle is null then $4 else user_id end, \
                   owner_handle = coalesce(owner_handle, $3), \
                   participants_digest = $5 \
                 where id = $1",
    }
    ADD_ALIAS {
        sqlite: "insert into conversation_aliases (conversation_id, chat_guid, created_at) \
                 values ($1, $2, $3) on conflict do nothing",
    }
    ADD_PARTICIPANT {
        sqlite: "insert into participants (conversation_id, handle, created_at) \
                 values ($1, $2, $3) on conflict do nothing",
    }
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
    let buried = sqlx::query(FIND_TOMBSTONE.sqlite)
        .bind(&message.tombstone[..])
        .bind(message.received_at)
        .fetch_optional(&mut *db)
        .await?;
    if buried.is_some() {
        return Ok(Stored::Duplicate(message.id));
    }
    let user_id = match &message.phone {
        Some((phone, new_id)) => Some(user(db, phone, *new_id, message).await?),
        None => None,
    };
    let conversation_id = match changed(db, message).await? {
        Some(id) => id,
        None => conversation(db, message, user_id).await?,
    };
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

/// The conversation of the message that this one changes, if that is stored.
async fn changed(
    db: &mut SqliteConnection,
    message: &NewMessage,
) -> Result<Option<Uuid>, sqlx::Error> {
    for identity in &message.changes {
        let found = sqlx::query_scalar(FIND_CHANGED.sqlite)
            .bind(message.relay.as_str())
            .bind(identity)
            .fetch_optional(&mut *db)
            .await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

#[derive(FromRow)]
struct Conversation {
    id: Uuid,
    chat_guid: String,
    line: String,
    owner_handle: Option<String>,
    participants_digest: Option<Vec<u8>>,
}

async fn conversation(
    db: &mut SqliteConnection,
    message: &NewMessage,
    user_id: Option<Uuid>,
) -> Result<Uuid, sqlx::Error> {
    let chat = &message.chat;
    let found: Option<Conversation> = sqlx::query_as(FIND_CONVERSATION.sqlite)
        .bind(message.relay.as_str())
        .bind(&chat.guid)
        .bind(&chat.line)
        .fetch_optional(&mut *db)
        .await?;
    let Some(found) = found else {
        create_conversation(db, message, user_id).await?;
        add_alias(db, chat.id, message).await?;
        add_participants(db, chat.id, message).await?;
        return Ok(chat.id);
    };
    if found.chat_guid != chat.chat_guid {
        add_alias(db, found.id, message).await?;
    }
    let has_other_participants =
        found.participants_digest.as_deref() != Some(&chat.participants_digest[..]);
    if has_other_participants {
        add_participants(db, found.id, message).await?;
    }
    let lacks_line = found.line.is_empty() && !chat.line.is_empty();
    let lacks_owner = found.owner_handle.is_none() && chat.owner.is_some();
    if has_other_participants || lacks_line || lacks_owner {
        sqlx::query(TOUCH_CONVERSATION.sqlite)
            .bind(found.id)
            .bind(&chat.line)
            .bind(chat.owner.as_deref())
            .bind(chat.owner.as_ref().and(user_id))
            .bind(&chat.participants_digest[..])
            .execute(&mut *db)
            .await?;
    }
    Ok(found.id)
}

async fn create_conversation(
    db: &mut SqliteConnection,
    message: &NewMessage,
    user_id: Option<Uuid>,
) -> Result<(), sqlx::Error> {
    let chat = &message.chat;
    sqlx::query(CREATE_CONVERSATION.sqlite)
        .bind(chat.id)
        .bind(&chat.chat_guid)
        .bind(chat.mode.as_str())
        .bind(message.received_at)
        .bind(message.relay.as_str())
        .bind(&chat.line)
        .bind(&chat.guid)
        .bind(chat.owner.as_deref())
        .bind(chat.owner.as_ref().and(user_id))
        .bind(&chat.participants_digest[..])
        .execute(db)
        .await
        .map(drop)
}

async fn add_alias(
    db: &mut SqliteConnection,
    conversation_id: Uuid,
    message: &NewMessage,
) -> Result<(), sqlx::Error> {
    sqlx::query(ADD_ALIAS.sqlite)
        .bind(conversation_id)
        .bind(&message.chat.chat_guid)
        .bind(message.received_at)
        .execute(db)
        .await
        .map(drop)
}

async fn add_participants(
    db: &mut SqliteConnection,
    conversation_id: Uuid,
    message: &NewMessage,
) -> Result<(), sqlx::Error> {
    for handle in &message.chat.participants {
        sqlx::query(ADD_PARTICIPANT.sqlite)
            .bind(conversation_id)
            .bind(handle)
            .bind(message.received_at)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
