//! Reads, hides and deletes the rows of a handle without a person.
//!
//! A handle without a person has no row that could be locked, but its conversations have rows. A conversation is
//! hidden by another guid, which it gets under its lock: a later message creates a new conversation, and a message
//! that arrives meanwhile is deleted with the others. Rows are then deleted in slices, by the keys that `traces` has
//! found. Every step is safe to repeat.

use uuid::Uuid;

use super::deletion::{
    DELETE_CHALLENGES, DELETE_CODES, DELETE_FROM_MENTIONS, DELETE_MENTIONS, Progress, SLICE,
};
use super::messages::MessageRow;
use super::traces::{HandleRows, Membership};
use crate::clock::Timestamp;
use crate::store::execute::{Execute, json_list};
use crate::store::jobs::{NewJob, enqueue};
use crate::store::otp::PHONE_HASH;
use crate::store::replies::forgetting::{forget_conversations, forget_messages};
use crate::store::statement::statements;
use crate::store::tombstones::{DeletedMessage, create_tombstones};
use crate::store::{Pepper, Store, StoreError};

statements! {
    /// The newest first. [`json_list`] makes the parameter, also that of the other statements with a list of ids.
    READ_MESSAGES_BY_ID {
        postgres: "select m.id, m.conversation_id, c.mode, m.role, m.text, m.event, m.revision,
                     m.message_guid, m.service, m.is_backfill, m.meta_data, m.sent_at, m.created_at, (
                       select b.state from command_bubbles b
                       where b.message_id = m.id limit 1) as delivery
                   from jsonb_array_elements_text(($1::text)::jsonb) as given (id)
                   join messages m on m.id = given.id::uuid
                   join conversations c on c.id = m.conversation_id
                   order by m.created_at desc, m.id desc",
        sqlite: "select m.id, m.conversation_id, c.mode, m.role, m.text, m.event, m.revision,
                   m.message_guid, m.service, m.is_backfill, m.meta_data, m.sent_at, m.created_at, (
                       select b.state from command_bubbles b
                       where b.message_id = m.id limit 1) as delivery
                 from json_each($1) as given
                 join messages m on m.id = unhex(given.value)
                 join conversations c on c.id = m.conversation_id
                 order by m.created_at desc, m.id desc",
    }
    /// Leaves out conversations that have got a person meanwhile.
    LOCK_CONVERSATIONS_BY_ID {
        postgres: "select id from conversations
                   where user_id is null and id in (
                     select given.id::uuid from jsonb_array_elements_text(($1::text)::jsonb) as given (id))
                   order by id for update",
        sqlite: "select id from conversations
                 where user_id is null and id in (select unhex(value) from json_each($1)) order by id",
    }
    /// The conversation gets a guid that no chat has. The row keeps the handle, so that a second attempt finds the
    /// conversation.
    HIDE_CONVERSATION {
        both: "update conversations set owner_handle = coalesce(owner_handle, $2), guid = $3 || guid
               where id = $1 and guid not like 'archived:%'",
    }
    DELETE_MEMBERSHIP { both: "delete from participants where conversation_id = $1 and handle = $2" }
    DELETE_MESSAGES_BY_ID {
        postgres: "delete from messages where id in (
                     select given.id::uuid from jsonb_array_elements_text(($1::text)::jsonb) as given (id))
                   returning relay, identity, message_guid",
        sqlite: "delete from messages where id in (select unhex(value) from json_each($1))
                 returning relay, identity, message_guid",
    }
    LOCK_HIDDEN_CONVERSATION {
        postgres: "select id from conversations
                   where id = $1 and user_id is null and guid like 'archived:%' for update",
        sqlite: "select id from conversations
                 where id = $1 and user_id is null and guid like 'archived:%'",
    }
    DELETE_MESSAGES_OF_CONVERSATION {
        both: "delete from messages where id in (
                 select id from messages where conversation_id = $1 limit $2)
               returning relay, identity",
    }
    DELETE_CONVERSATION { both: "delete from conversations where id = $1" }
}

impl Store {
    /// The messages with these ids that exist, newest first.
    pub async fn messages_by_id(&self, ids: &[Uuid]) -> Result<Vec<MessageRow>, StoreError> {
        let params = (json_list(ids),);
        self.pools.reads().all(READ_MESSAGES_BY_ID, params).await
    }

    /// Hides the conversations of a handle and deletes its mentions and codes. Writes `job`, which finishes the
    /// deletion. Returns the number of deleted mentions: a message counts once for each spelling in which it mentioned
    /// the handle.
    pub async fn hide_handle(
        &self,
        address: &str,
        traces: &HandleRows,
        pepper: &Pepper,
        job: &NewJob,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let ids: Vec<Uuid> = traces.conversations.iter().map(|row| row.id).collect();
        let phone_hash = pepper.hash(PHONE_HASH, address);
        let mut tx = self.pools.begin_write().await?;
        let params = (json_list(&ids),);
        let locked: Vec<Uuid> = tx.values(LOCK_CONVERSATIONS_BY_ID, params).await?;
        for id in &locked {
            let prefix = format!("archived:{}:", id.simple());
            tx.execute(HIDE_CONVERSATION, (*id, address, prefix))
                .await?;
        }
        forget_conversations(&mut tx, &locked, now).await?;
        let mut mentions = 0;
        for spelling in &traces.mentioned_as {
            tx.execute(DELETE_FROM_MENTIONS, (spelling,)).await?;
            mentions += tx.execute(DELETE_MENTIONS, (spelling,)).await?;
        }
        for statement in [DELETE_CHALLENGES, DELETE_CODES] {
            tx.execute(statement, (&phone_hash[..],)).await?;
        }
        enqueue(&mut tx, job, now).await?;
        tx.commit().await?;
        Ok(mentions)
    }

    /// Deletes these rows of participants.
    pub async fn delete_memberships(&self, slice: &[Membership]) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        for row in slice {
            let params = (row.conversation_id, &row.handle);
            tx.execute(DELETE_MEMBERSHIP, params).await?;
        }
        tx.commit().await
    }

    /// Deletes the messages with these ids and creates their tombstones.
    pub async fn delete_messages_by_id(
        &self,
        ids: &[Uuid],
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let params = (json_list(ids),);
        let deleted: Vec<DeletedMessage> = tx.all(DELETE_MESSAGES_BY_ID, params).await?;
        create_tombstones(&mut tx, &deleted, pepper, now).await?;
        let at_relays = deleted.iter().filter_map(DeletedMessage::at_relay);
        forget_messages(&mut tx, at_relays, now).await?;
        tx.commit().await
    }

    /// Deletes a slice of the messages of a hidden conversation, and the conversation's row with the last slice.
    pub async fn delete_conversation_slice(
        &self,
        conversation_id: Uuid,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<Progress, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        // From here on no message can be stored in the conversation: the message's foreign key waits for this lock.
        let params = (conversation_id,);
        let locked: Option<Uuid> = tx.optional_value(LOCK_HIDDEN_CONVERSATION, params).await?;
        if locked.is_none() {
            return Ok(Progress::AlreadyDone);
        }
        let params = (conversation_id, i64::from(SLICE));
        let deleted: Vec<DeletedMessage> = tx.all(DELETE_MESSAGES_OF_CONVERSATION, params).await?;
        create_tombstones(&mut tx, &deleted, pepper, now).await?;
        if deleted.len() >= usize::from(SLICE) {
            tx.commit().await?;
            return Ok(Progress::More);
        }
        tx.execute(DELETE_CONVERSATION, (conversation_id,)).await?;
        tx.commit().await?;
        Ok(Progress::Done)
    }
}
