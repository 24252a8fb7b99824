//! Finds the conversation of a message, creates it, or adds what it lacks.

use sqlx::FromRow;
use uuid::Uuid;

use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{NewMessage, StoreError};

statements! {
    /// The conversation of a message that another one changes.
    FIND_CHANGED {
        sqlite: "select conversation_id from messages where relay = $1 and identity = $2",
    }
    /// The conversation of the message's line, else one without a line. $3 is the line of the message: any own address
    /// of the line, or empty. A message without a line finds a conversation of any line, except under an address that
    /// is not its line's name: such a conversation gets no new messages.
    FIND_CONVERSATION {
        sqlite: "with own (line) as materialized (
                   select coalesce(
                     (select line from relay_lines where relay = $1 and address = $3), $3))
                 select c.id, c.chat_guid, c.line, c.owner_handle, c.participants_digest
                 from own cross join conversations c
                 where c.relay = $1 and c.guid = $2 and (c.line = own.line or c.line = '' or (
                   own.line = '' and not exists (
                     select 1 from relay_lines l
                     where l.relay = $1 and l.address = c.line and l.line <> c.line)))
                 order by c.line = own.line desc, c.created_at, c.id limit 1",
    }
    CREATE_CONVERSATION {
        sqlite: "insert into conversations (
                   id, chat_guid, mode, created_at, relay, line, guid, owner_handle, user_id,
                   participants_digest)
                 values ($1, $2, $3, $4, $5,
                   coalesce((select line from relay_lines where relay = $5 and address = $6), $6),
                   $7, $8, $9, $10)",
    }
    /// Sets the line and the owner, if the conversation has none, and the digest of the participants.
    COMPLETE_CONVERSATION {
        sqlite: "update conversations set
                   line = case when line = ''
                     then coalesce((select l.line from relay_lines l
                       where l.relay = conversations.relay and l.address = $2), $2)
                     else line end,
                   user_id = case when owner_handle is null then $4 else user_id end,
                   owner_handle = coalesce(owner_handle, $3),
                   participants_digest = $5
                 where id = $1",
    }
    /// Stores a full guid under which the conversation was seen.
    ADD_ALIAS {
        sqlite: "insert into conversation_aliases (conversation_id, chat_guid, created_at)
                 values ($1, $2, $3) on conflict do nothing",
    }
    ADD_PARTICIPANT {
        sqlite: "insert into participants (conversation_id, handle, created_at)
                 values ($1, $2, $3) on conflict do nothing",
    }
}

#[derive(FromRow)]
struct Conversation {
    id: Uuid,
    chat_guid: String,
    line: String,
    owner_handle: Option<String>,
    participants_digest: Option<Vec<u8>>,
}

/// Returns the conversation of the message that this one changes, if that message is stored. Otherwise returns the
/// conversation of the chat, which is created or gets what it lacks from the message. `user_id` is the message's
/// person.
pub(super) async fn find_or_create(
    tx: &mut Tx,
    message: &NewMessage,
    user_id: Option<Uuid>,
) -> Result<Uuid, StoreError> {
    for identity in &message.changes {
        let params = (message.relay.as_str(), identity);
        if let Some(id) = tx.optional_value(FIND_CHANGED, params).await? {
            return Ok(id);
        }
    }
    let chat = &message.chat;
    let params = (message.relay.as_str(), &chat.guid, &chat.line);
    let found: Option<Conversation> = tx.optional(FIND_CONVERSATION, params).await?;
    let Some(found) = found else {
        create_conversation(tx, message, user_id).await?;
        add_alias(tx, chat.id, message).await?;
        add_participants(tx, chat.id, message).await?;
        return Ok(chat.id);
    };
    if found.chat_guid != chat.chat_guid {
        add_alias(tx, found.id, message).await?;
    }
    let has_other_participants =
        found.participants_digest.as_deref() != Some(&chat.participants_digest[..]);
    if has_other_participants {
        add_participants(tx, found.id, message).await?;
    }
    let lacks_line = found.line.is_empty() && !chat.line.is_empty();
    let lacks_owner = found.owner_handle.is_none() && chat.owner.is_some();
    if has_other_participants || lacks_line || lacks_owner {
        let params = (
            found.id,
            &chat.line,
            chat.owner.as_deref(),
            chat.owner.as_ref().and(user_id),
            &chat.participants_digest[..],
        );
        tx.execute(COMPLETE_CONVERSATION, params).await?;
    }
    Ok(found.id)
}

async fn create_conversation(
    tx: &mut Tx,
    message: &NewMessage,
    user_id: Option<Uuid>,
) -> Result<(), StoreError> {
    let chat = &message.chat;
    let params = (
        chat.id,
        &chat.chat_guid,
        chat.mode.as_str(),
        message.received_at,
        message.relay.as_str(),
        &chat.line,
        &chat.guid,
        chat.owner.as_deref(),
        chat.owner.as_ref().and(user_id),
        &chat.participants_digest[..],
    );
    tx.execute(CREATE_CONVERSATION, params).await?;
    Ok(())
}

async fn add_alias(
    tx: &mut Tx,
    conversation_id: Uuid,
    message: &NewMessage,
) -> Result<(), StoreError> {
    let params = (
        conversation_id,
        &message.chat.chat_guid,
        message.received_at,
    );
    tx.execute(ADD_ALIAS, params).await?;
    Ok(())
}

async fn add_participants(
    tx: &mut Tx,
    conversation_id: Uuid,
    message: &NewMessage,
) -> Result<(), StoreError> {
    for handle in &message.chat.participants {
        let params = (conversation_id, handle, message.received_at);
        tx.execute(ADD_PARTICIPANT, params).await?;
    }
    Ok(())
}
