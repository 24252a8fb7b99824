//! Deletes messages, conversations and participants that are older than the retention settings allow. Without a
//! setting, all messages, conversations or participants stay. The words of a reply that still waits for its relay go
//! with its messages.
//!
//! The ids of old rows are read without a lock. The rows are deleted in slices, each in a transaction of its own, so
//! that messages can be stored in between. A deleted message leaves a tombstone (a keyed hash) for a while, so that
//! neither a late retry nor a late edit stores it again. The times that [`Contacts`] needs stay with the person. The
//! newest message of each relay is not deleted: a relay that has lost its state resumes after it.
//!
//! A conversation is deleted only if it has no messages. Its participants are deleted only then, too: a relay sends the
//! list of participants only when the list changes, so the list of a chat in use would be lost. Both conditions
//! are checked again under the lock of the conversation. A message that arrives meanwhile waits for that lock, and
//! creates the conversation again if it was deleted.

use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use super::execute::{Execute, Params, json_list};
use super::people::handle::DELETE_MESSAGES_BY_ID;
use super::silence::Contacts;
use super::statement::{Statement, statements};
use super::tombstones::{DeletedMessage, create_tombstones};
use super::{Pepper, Store, StoreError};
use crate::clock::Timestamp;
use crate::config::Retention;

/// The number of messages or conversations that one transaction deletes.
const SLICE: i64 = 1_000;

statements! {
    /// The messages that [`Store::newest_message`] returns.
    NEWEST_OF_RELAYS {
        both: "select m.id from relays r join messages m on m.id = (
                 select id from messages
                 where relay = r.name and message_guid is not null and event = 'message'
                   and not is_backfill and sent_at is not null
                 order by created_at desc, sent_at desc limit 1)",
    }
    PEOPLE_WITH_OLD_MESSAGES {
        postgres: "select u.id from users u
                   where u.id > $1 and exists (
                     select 1 from messages m
                     where m.user_id = u.id and m.created_at < $2 and m.id not in (
                       select given.id::uuid
                       from jsonb_array_elements_text(($3::text)::jsonb) as given (id)))
                   order by u.id limit $4",
        sqlite: "select u.id from users u
                 where u.id > $1 and exists (
                   select 1 from messages m
                   where m.user_id = u.id and m.created_at < $2
                     and m.id not in (select unhex(value) from json_each($3)))
                 order by u.id limit $4",
    }
    LOCK_CONTACTS {
        postgres: "select created_at, last_sign_in_at, heard_at, silence_ended_at
                   from users where id = $1 for no key update",
        sqlite: "select created_at, last_sign_in_at, heard_at, silence_ended_at
                 from users where id = $1",
    }
    OLD_MESSAGES_OF_PERSON {
        both: "select id, created_at, not is_backfill and relay not like '%/rehearsal' as is_contact
               from messages
               where user_id = $1 and created_at < $2 and (created_at, id) > ($3, $4)
               order by created_at, id limit $5",
    }
    NOTE_CONTACTS { both: "update users set heard_at = $2, silence_ended_at = $3 where id = $1" }
    CONVERSATIONS_WITH_OLD_MESSAGES {
        postgres: "select c.id from conversations c
                   where c.id > $1 and exists (
                     select 1 from messages m
                     where m.conversation_id = c.id and m.created_at < $2 and m.user_id is null
                       and m.id not in (
                         select given.id::uuid
                         from jsonb_array_elements_text(($3::text)::jsonb) as given (id)))
                   order by c.id limit $4",
        sqlite: "select c.id from conversations c
                 where c.id > $1 and exists (
                   select 1 from messages m
                   where m.conversation_id = c.id and m.created_at < $2 and m.user_id is null
                     and m.id not in (select unhex(value) from json_each($3)))
                 order by c.id limit $4",
    }
    /// Deletes messages that belong to no person: replies, messages of the Mac's owner, messages of handles without a
    /// person.
    DELETE_OLD_MESSAGES_OF_CONVERSATION {
        postgres: "delete from messages where id in (
                     select id from messages
                     where conversation_id = $1 and created_at < $2 and user_id is null and id not in (
                       select given.id::uuid
                       from jsonb_array_elements_text(($3::text)::jsonb) as given (id))
                     limit $4)
                   returning relay, identity",
        sqlite: "delete from messages where id in (
                   select id from messages
                   where conversation_id = $1 and created_at < $2 and user_id is null
                     and id not in (select unhex(value) from json_each($3))
                   limit $4)
                 returning relay, identity",
    }
    /// A conversation stays while it has a participant who was first seen at $3 or later.
    EMPTY_CONVERSATIONS {
        both: "select c.id from conversations c
               where c.id > $1 and c.created_at < $2
                 and not exists (select 1 from messages m where m.conversation_id = c.id)
                 and not exists (
                   select 1 from participants p where p.conversation_id = c.id and p.created_at >= $3)
               order by c.id limit $4",
    }
    CONVERSATIONS_WITH_OLD_PARTICIPANTS {
        both: "select c.id from conversations c
               where c.id > $1
                 and not exists (select 1 from messages m where m.conversation_id = c.id)
                 and exists (
                   select 1 from participants p where p.conversation_id = c.id and p.created_at < $2)
               order by c.id limit $3",
    }
    LOCK_CONVERSATIONS_TO_CLEAN {
        postgres: "select id from conversations where id in (
                     select given.id::uuid from jsonb_array_elements_text(($1::text)::jsonb) as given (id))
                   order by id for update",
        sqlite: "select id from conversations where id in (select unhex(value) from json_each($1))",
    }
    DELETE_EMPTY_CONVERSATIONS {
        postgres: "delete from conversations where id in (
                     select given.id::uuid from jsonb_array_elements_text(($1::text)::jsonb) as given (id))
                   and not exists (select 1 from messages m where m.conversation_id = conversations.id)",
        sqlite: "delete from conversations where id in (select unhex(value) from json_each($1))
                 and not exists (select 1 from messages m where m.conversation_id = conversations.id)",
    }
    /// Without the digest, the next message of the chat stores its participants again.
    FORGET_PARTICIPANTS_DIGEST {
        postgres: "update conversations set participants_digest = null where id in (
                     select given.id::uuid from jsonb_array_elements_text(($1::text)::jsonb) as given (id))
                   and not exists (select 1 from messages m where m.conversation_id = conversations.id)",
        sqlite: "update conversations set participants_digest = null
                 where id in (select unhex(value) from json_each($1))
                 and not exists (select 1 from messages m where m.conversation_id = conversations.id)",
    }
    DELETE_OLD_PARTICIPANTS {
        postgres: "delete from participants where created_at < $2 and conversation_id in (
                     select given.id::uuid from jsonb_array_elements_text(($1::text)::jsonb) as given (id))
                   and not exists (
                     select 1 from messages m where m.conversation_id = participants.conversation_id)",
        sqlite: "delete from participants
                 where created_at < $2 and conversation_id in (select unhex(value) from json_each($1))
                 and not exists (
                   select 1 from messages m where m.conversation_id = participants.conversation_id)",
    }
}

/// The end of the year 9999, later than the time of every row.
const END_OF_TIME: Timestamp = Timestamp::from_secs(253_402_300_799);

#[derive(Clone, Copy, FromRow)]
struct OldMessage {
    id: Uuid,
    created_at: Timestamp,
    /// Whether the message shows that the person wrote then: it is neither backfill nor of a rehearsal.
    is_contact: bool,
}

/// Logs the failure of a statement, so that the other people and conversations are still cleaned. Any other
/// error, such as a database that does not answer, ends the cleaning.
fn log_statement_failure(cleaned: Result<u64, StoreError>) -> Result<u64, StoreError> {
    match cleaned {
        Err(StoreError::Statement(error)) => {
            tracing::error!(error = %error, "old messages were not removed; going on with the others");
            Ok(0)
        }
        cleaned => cleaned,
    }
}

impl Store {
    /// Deletes the messages, conversations and participants that are older than `keep` allows at `now`. Returns the
    /// number of deleted rows.
    pub async fn clean_history(
        &self,
        keep: &Retention,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let before = |span: Duration| now.minus(span);
        let mut removed = 0;
        if let Some(before) = keep.messages.map(before) {
            self.end_texts_from_before(before, now).await?;
            removed += self.clean_messages(before, pepper, now).await?;
        }
        let participants = keep.participants.map(before);
        if let Some(before) = participants {
            removed += self.clean_participants(before).await?;
        }
        if let Some(before) = keep.conversations.map(before) {
            let seen_since = participants.unwrap_or(END_OF_TIME);
            removed += self.clean_conversations(before, seen_since).await?;
        }
        Ok(removed)
    }

    /// Calls `clean` with the ids that `statement` finds, page by page. `params` gets the last id of a page and makes
    /// the parameters of the next page.
    async fn clean_pages<'q, P, F>(
        &self,
        statement: Statement,
        params: impl Fn(Uuid) -> P,
        clean: impl Fn(Vec<Uuid>) -> F,
    ) -> Result<u64, StoreError>
    where
        P: Params<'q>,
        F: Future<Output = Result<u64, StoreError>>,
    {
        let (mut removed, mut after) = (0, Uuid::nil());
        loop {
            let ids: Vec<Uuid> = self.pools.reads().values(statement, params(after)).await?;
            let Some(last) = ids.last() else {
                return Ok(removed);
            };
            after = *last;
            removed += clean(ids).await?;
        }
    }

    async fn clean_messages(
        &self,
        before: Timestamp,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let newest: &[Uuid] = &self.pools.reads().values(NEWEST_OF_RELAYS, ()).await?;
        let newest_list: &str = &json_list(newest);
        let params = |after| (after, before, newest_list, SLICE);
        let clean_each_person = |people| async move {
            let mut removed = 0;
            for id in people {
                let cleaned = self.clean_messages_of_person(id, before, newest, pepper, now);
                removed += log_statement_failure(cleaned.await)?;
            }
            Ok(removed)
        };
        let clean_each_conversation = |conversations| async move {
            let mut removed = 0;
            for id in conversations {
                let cleaned =
                    self.clean_messages_of_conversation(id, before, newest_list, pepper, now);
                removed += log_statement_failure(cleaned.await)?;
            }
            Ok(removed)
        };
        let removed = self
            .clean_pages(PEOPLE_WITH_OLD_MESSAGES, params, clean_each_person)
            .await?;
        Ok(removed
            + self
                .clean_pages(
                    CONVERSATIONS_WITH_OLD_MESSAGES,
                    params,
                    clean_each_conversation,
                )
                .await?)
    }

    /// Deletes the person's messages from before `before`, except those in `newest`. The earliest go first, so that
    /// [`Contacts`] notices the silences between them.
    async fn clean_messages_of_person(
        &self,
        user_id: Uuid,
        before: Timestamp,
        newest: &[Uuid],
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, (Timestamp::from_micros(0), Uuid::nil()));
        loop {
            let mut tx = self.pools.begin_write().await?;
            let contacts: Option<Contacts> = tx.optional(LOCK_CONTACTS, (user_id,)).await?;
            let Some(mut contacts) = contacts else {
                return Ok(removed);
            };
            let params = (user_id, before, after.0, after.1, SLICE);
            let rows: Vec<OldMessage> = tx.all(OLD_MESSAGES_OF_PERSON, params).await?;
            for row in rows.iter().filter(|row| row.is_contact) {
                contacts.add(row.created_at);
            }
            let to_delete: Vec<Uuid> = (rows.iter().map(|row| row.id))
                .filter(|id| !newest.contains(id))
                .collect();
            let params = (json_list(&to_delete),);
            let deleted: Vec<DeletedMessage> = tx.all(DELETE_MESSAGES_BY_ID, params).await?;
            create_tombstones(&mut tx, &deleted, pepper, now).await?;
            let params = (user_id, contacts.heard_at, contacts.silence_ended_at);
            tx.execute(NOTE_CONTACTS, params).await?;
            tx.commit().await?;
            removed += u64::try_from(deleted.len()).unwrap_or(u64::MAX);
            let Some(last) = rows.last() else {
                return Ok(removed);
            };
            after = (last.created_at, last.id);
        }
    }

    /// Deletes the conversation's messages that belong to no person and are from before `before`, except those in
    /// `newest_list`, a JSON list of ids.
    async fn clean_messages_of_conversation(
        &self,
        conversation_id: Uuid,
        before: Timestamp,
        newest_list: &str,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let mut tx = self.pools.begin_write().await?;
            let params = (conversation_id, before, newest_list, SLICE);
            let statement = DELETE_OLD_MESSAGES_OF_CONVERSATION;
            let deleted: Vec<DeletedMessage> = tx.all(statement, params).await?;
            create_tombstones(&mut tx, &deleted, pepper, now).await?;
            tx.commit().await?;
            removed += u64::try_from(deleted.len()).unwrap_or(u64::MAX);
            if deleted.is_empty() {
                return Ok(removed);
            }
        }
    }

    /// Deletes the conversations that began before `before` and have neither messages nor a participant who was
    /// first seen at `seen_since` or later.
    async fn clean_conversations(
        &self,
        before: Timestamp,
        seen_since: Timestamp,
    ) -> Result<u64, StoreError> {
        let params = |after| (after, before, seen_since, SLICE);
        let delete = |ids: Vec<Uuid>| async move {
            let ids = json_list(&ids);
            let mut tx = self.pools.begin_write().await?;
            tx.execute(LOCK_CONVERSATIONS_TO_CLEAN, (&ids,)).await?;
            let removed = tx.execute(DELETE_EMPTY_CONVERSATIONS, (&ids,)).await?;
            tx.commit().await?;
            Ok(removed)
        };
        self.clean_pages(EMPTY_CONVERSATIONS, params, delete).await
    }

    /// Deletes the participants who were first seen before `before`, in conversations without messages.
    async fn clean_participants(&self, before: Timestamp) -> Result<u64, StoreError> {
        let params = |after| (after, before, SLICE);
        let delete = |ids: Vec<Uuid>| async move {
            let ids = json_list(&ids);
            let mut tx = self.pools.begin_write().await?;
            for statement in [LOCK_CONVERSATIONS_TO_CLEAN, FORGET_PARTICIPANTS_DIGEST] {
                tx.execute(statement, (&ids,)).await?;
            }
            let params = (&ids, before);
            let removed = tx.execute(DELETE_OLD_PARTICIPANTS, params).await?;
            tx.commit().await?;
            Ok(removed)
        };
        self.clean_pages(CONVERSATIONS_WITH_OLD_PARTICIPANTS, params, delete)
            .await
    }
}
