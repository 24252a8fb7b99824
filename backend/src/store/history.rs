//! Removes messages, conversations and participants that are older than the settings say; without a setting
//! they stay.
//!
//! What is due is looked for without a lock, and goes in slices, each a transaction of its own, so that
//! intake goes on between them. Three things outlive a message. Its keyed hash stays for a while, so that
//! neither a late retry nor a late edit brings it back. Its time stays with its person (`contacts`). And the
//! newest message of each relay stays itself: a relay that has lost its state goes on after it.
//!
//! A conversation goes once it has no message, and participants likewise: as long as a chat lives, its list
//! is not told anew, so it would be lost. Both are looked at again under the conversation's lock, for which a
//! message that comes meanwhile waits: a conversation that is gone is begun anew by it.

use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use super::execute::Execute;
use super::people::handle::{DELETE_MESSAGES_BY_ID, json_list};
use super::silence::Contacts;
use super::statement::statements;
use super::tombstones::{Identity, bury_messages};
use super::{Pepper, Store, StoreError};
use crate::clock::Timestamp;
use crate::config::Retention;

/// How many messages, or conversations, go in one transaction.
const SLICE: i64 = 1_000;

statements! {
    /// Those that `newest` answers.
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
    /// Those that are no person's: replies, what the Mac's owner typed, what other handles wrote.
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
    /// A conversation stays while it has a participant who was first seen after $3.
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
    LOCK_TO_CLEAN {
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
    /// So that the next message of the chat tells its participants anew.
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

/// Later than every row.
const NEVER: Timestamp = Timestamp::from_secs(253_402_300_799);

/// A message that is due.
#[derive(Clone, Copy, FromRow)]
struct OldMessage {
    id: Uuid,
    created_at: Timestamp,
    is_contact: bool,
}

/// A person or a conversation whose statement fails must not keep the others from being cleaned; a database
/// that is away ends the round.
fn others_go_on(cleaned: Result<u64, StoreError>) -> Result<u64, StoreError> {
    match cleaned {
        Err(StoreError::Statement(error)) => {
            tracing::error!(error = %error, "old messages were not removed; going on with the others");
            Ok(0)
        }
        cleaned => cleaned,
    }
}

impl Store {
    /// Removes messages, conversations and participants that are due at `now`. Tells how many rows went.
    pub async fn clean_history(
        &self,
        keep: &Retention,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let before = |span: Duration| now.minus(span);
        let mut removed = 0;
        if let Some(before) = keep.messages.map(before) {
            removed += self.clean_messages(before, pepper, now).await?;
        }
        let participants = keep.participants.map(before);
        if let Some(before) = participants {
            removed += self.clean_participants(before).await?;
        }
        if let Some(before) = keep.conversations.map(before) {
            let unless_seen = participants.unwrap_or(NEVER);
            removed += self.clean_conversations(before, unless_seen).await?;
        }
        Ok(removed)
    }

    async fn clean_messages(
        &self,
        before: Timestamp,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let newest: Vec<Uuid> = self.pools.reads().values(NEWEST_OF_RELAYS, ()).await?;
        let listed = json_list(&newest);
        let (mut removed, mut after) = (0, Uuid::nil());
        loop {
            let params = (after, before, &listed, SLICE);
            let mut reads = self.pools.reads();
            let people: Vec<Uuid> = reads.values(PEOPLE_WITH_OLD_MESSAGES, params).await?;
            let Some(last) = people.last() else { break };
            after = *last;
            for user_id in people {
                let cleaned = self.clean_messages_of_person(user_id, before, &newest, pepper, now);
                removed += others_go_on(cleaned.await)?;
            }
        }
        after = Uuid::nil();
        loop {
            let params = (after, before, &listed, SLICE);
            let mut reads = self.pools.reads();
            let conversations: Vec<Uuid> = reads
                .values(CONVERSATIONS_WITH_OLD_MESSAGES, params)
                .await?;
            let Some(last) = conversations.last() else {
                break;
            };
            after = *last;
            for id in conversations {
                let cleaned = self.clean_messages_of_conversation(id, before, &listed, pepper, now);
                removed += others_go_on(cleaned.await)?;
            }
        }
        Ok(removed)
    }

    /// The earliest first, so that the silences between them are seen.
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
                contacts.note(row.created_at);
            }
            let due: Vec<Uuid> = (rows.iter().map(|row| row.id))
                .filter(|id| !newest.contains(id))
                .collect();
            let params = (json_list(&due),);
            let gone: Vec<Identity> = tx.all(DELETE_MESSAGES_BY_ID, params).await?;
            bury_messages(&mut tx, &gone, pepper, now).await?;
            let params = (user_id, contacts.heard_at, contacts.silence_ended_at);
            tx.execute(NOTE_CONTACTS, params).await?;
            tx.commit().await?;
            removed += u64::try_from(gone.len()).unwrap_or(u64::MAX);
            let Some(last) = rows.last() else {
                return Ok(removed);
            };
            after = (last.created_at, last.id);
        }
    }

    async fn clean_messages_of_conversation(
        &self,
        conversation_id: Uuid,
        before: Timestamp,
        newest: &str,
        pepper: &Pepper,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let mut tx = self.pools.begin_write().await?;
            let params = (conversation_id, before, newest, SLICE);
            let gone: Vec<Identity> = tx.all(DELETE_OLD_MESSAGES_OF_CONVERSATION, params).await?;
            bury_messages(&mut tx, &gone, pepper, now).await?;
            tx.commit().await?;
            removed += u64::try_from(gone.len()).unwrap_or(u64::MAX);
            if gone.is_empty() {
                return Ok(removed);
            }
        }
    }

    async fn clean_conversations(
        &self,
        before: Timestamp,
        unless_seen: Timestamp,
    ) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, Uuid::nil());
        loop {
            let params = (after, before, unless_seen, SLICE);
            let mut reads = self.pools.reads();
            let due: Vec<Uuid> = reads.values(EMPTY_CONVERSATIONS, params).await?;
            let Some(last) = due.last() else {
                return Ok(removed);
            };
            after = *last;
            let due = json_list(&due);
            let mut tx = self.pools.begin_write().await?;
            tx.execute(LOCK_TO_CLEAN, (&due,)).await?;
            removed += tx.execute(DELETE_EMPTY_CONVERSATIONS, (&due,)).await?;
            tx.commit().await?;
        }
    }

    async fn clean_participants(&self, before: Timestamp) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, Uuid::nil());
        loop {
            let params = (after, before, SLICE);
            let mut reads = self.pools.reads();
            let due: Vec<Uuid> = reads
                .values(CONVERSATIONS_WITH_OLD_PARTICIPANTS, params)
                .await?;
            let Some(last) = due.last() else {
                return Ok(removed);
            };
            after = *last;
            let due = json_list(&due);
            let mut tx = self.pools.begin_write().await?;
            for statement in [LOCK_TO_CLEAN, FORGET_PARTICIPANTS_DIGEST] {
                tx.execute(statement, (&due,)).await?;
            }
            removed += tx.execute(DELETE_OLD_PARTICIPANTS, (&due, before)).await?;
            tx.commit().await?;
        }
    }
}
