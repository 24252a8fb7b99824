//! Deletes a person: hides the person at once and deletes the rows in slices.
//!
//! The first transaction hides the person: their sessions end, and the next message from their number creates a new
//! person and a new conversation. It also writes a job that finishes the deletion if this process does not. Then the
//! messages are deleted in slices, each in a transaction of its own, so that messages can be stored in between. Each
//! slice creates the tombstones of its messages. The last slice deletes the person's row and, by foreign keys, the rows
//! that belong to it.
//!
//! Each transaction locks the person's row first, then their conversations. The same rows are locked before a message
//! is stored. So a message that arrives meanwhile either is deleted with the others or belongs to the new person. Two
//! processes that delete the same person take turns. The last transaction writes the jobs that delete the accounts at
//! identity providers. Relays that hold texts of the person are told to erase them. The counters of sent codes stay
//! until they expire, within two days: a deletion must not allow more codes.

use sqlx::FromRow;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::jobs::{NewJob, enqueue};
use crate::store::otp::PHONE_HASH;
use crate::store::replies::forgetting::{forget_conversations, forget_messages};
use crate::store::statement::statements;
use crate::store::tombstones::{DeletedMessage, create_tombstones};
use crate::store::{Pepper, Store, StoreError};

use super::number_reassignment::{ARCHIVE_CONVERSATIONS, ARCHIVE_PERSON, archive_params};

/// The number of messages that one transaction deletes.
pub(super) const SLICE: u16 = 1_000;

statements! {
    LOCK_PERSON {
        postgres: "select coalesce(archived_phone, phone) from users where id = $1 for update",
        sqlite: "select coalesce(archived_phone, phone) from users where id = $1",
    }
    /// Conversations that belong to the person, and those that the Mac's owner began with the number while the
    /// person had it ($2 is the guid of such a chat).
    LOCK_CONVERSATIONS {
        postgres: "select id from conversations where mode = 'direct' and (user_id = $1 or (
                     user_id is null and owner_handle is null and guid = $2 and not exists (
                       select 1 from users u where u.id = $1 and u.archived_at < conversations.created_at)))
                   order by id for update",
        sqlite: "select id from conversations where mode = 'direct' and (user_id = $1 or (
                   user_id is null and owner_handle is null and guid = $2 and not exists (
                     select 1 from users u where u.id = $1 and u.archived_at < conversations.created_at)))
                 order by id",
    }
    ASSIGN_CONVERSATION { both: "update conversations set user_id = $2 where id = $1" }
    DELETE_SESSIONS { both: "delete from sessions where user_id = $1" }
    DELETE_MESSAGES_OF_CONVERSATIONS {
        both: "delete from messages where id in (
                 select m.id from conversations c join messages m on m.conversation_id = c.id
                 where c.user_id = $1 and c.mode = 'direct' limit $2)
               returning relay, identity",
    }
    /// Deletes the person's messages in groups and in conversations of other people.
    DELETE_MESSAGES_OF_PERSON {
        both: "delete from messages where id in (
                 select id from messages where user_id = $1 limit $2)
               returning relay, identity, message_guid",
    }
    DELETE_CONVERSATIONS {
        both: "delete from conversations where user_id = $1 and mode = 'direct'",
    }
    DELETE_FROM_PARTICIPANTS { both: "delete from participants where handle = $1" }
    /// Messages of other people stay, but do not mention the number any more.
    DELETE_FROM_MENTIONS {
        postgres: "update messages m set meta_data = jsonb_set(
                     m.meta_data::jsonb, '{mentions}', coalesce(
                       (select jsonb_agg(given.address order by given.n)
                        from jsonb_array_elements_text(m.meta_data::jsonb -> 'mentions')
                          with ordinality as given (address, n)
                        where given.address <> $1),
                       '[]'))::json
                   from mentions t where t.address = $1 and m.id = t.message_id",
        sqlite: "update messages set meta_data = json_set(
                   meta_data, '$.mentions', json(
                     (select json_group_array(value) from (
                       select value from json_each(messages.meta_data, '$.mentions')
                       where value <> $1 order by id))))
                 where id in (select message_id from mentions where address = $1)",
    }
    DELETE_MENTIONS { both: "delete from mentions where address = $1" }
    /// The foreign key of challenges deletes those of the codes, too.
    DELETE_CODES { both: "delete from otp_codes where phone_hash = $1" }
    DELETE_CHALLENGES { both: "delete from otp_challenges where phone_hash = $1" }
    ACCOUNTS_OF_PERSON {
        both: "select issuer, subject from accounts where user_id = $1 order by issuer",
    }
    DELETE_JOB { both: "delete from jobs where id = $1" }
    /// Foreign keys delete relationships, traits, onboardings and accounts, and set the person of events to null.
    DELETE_PERSON { both: "delete from users where id = $1" }
}

/// A person's account at an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ProviderAccount {
    pub issuer: String,
    pub subject: Uuid,
}

/// The state of a deletion after a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to delete.
    More,
    /// This slice was the last one.
    Done,
    /// An earlier slice was the last one.
    AlreadyDone,
}

impl Store {
    /// Hides a person: their sessions end, and new messages from their number belong to a new person. Writes `job`,
    /// which finishes the deletion. Returns `false` if there is no such person.
    pub async fn hide_person(
        &self,
        user_id: Uuid,
        pepper: &Pepper,
        job: &NewJob,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let phone: Option<String> = tx.optional_value(LOCK_PERSON, (user_id,)).await?;
        let Some(phone) = phone else {
            return Ok(false);
        };
        let guid_of_direct_chat = format!("-;{phone}");
        let params = (user_id, guid_of_direct_chat);
        let conversations: Vec<Uuid> = tx.values(LOCK_CONVERSATIONS, params).await?;
        for id in &conversations {
            tx.execute(ASSIGN_CONVERSATION, (*id, user_id)).await?;
        }
        forget_conversations(&mut tx, &conversations, now).await?;
        tx.execute(ARCHIVE_PERSON, archive_params(user_id, now))
            .await?;
        for statement in [ARCHIVE_CONVERSATIONS, DELETE_SESSIONS] {
            tx.execute(statement, (user_id,)).await?;
        }
        for statement in [
            DELETE_FROM_PARTICIPANTS,
            DELETE_FROM_MENTIONS,
            DELETE_MENTIONS,
        ] {
            tx.execute(statement, (&phone,)).await?;
        }
        let phone_hash = pepper.hash(PHONE_HASH, &phone);
        for statement in [DELETE_CHALLENGES, DELETE_CODES] {
            tx.execute(statement, (&phone_hash[..],)).await?;
        }
        enqueue(&mut tx, job, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes a slice of the messages of a hidden person, and the person's row with the last slice. `account_job`
    /// makes the job that deletes an account at its provider.
    pub async fn delete_slice(
        &self,
        user_id: Uuid,
        pepper: &Pepper,
        account_job: &(dyn Fn(&ProviderAccount) -> NewJob + Sync),
        now: Timestamp,
    ) -> Result<Progress, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let phone: Option<String> = tx.optional_value(LOCK_PERSON, (user_id,)).await?;
        if phone.is_none() {
            return Ok(Progress::AlreadyDone);
        }
        for statement in [DELETE_MESSAGES_OF_CONVERSATIONS, DELETE_MESSAGES_OF_PERSON] {
            let params = (user_id, i64::from(SLICE));
            let deleted: Vec<DeletedMessage> = tx.all(statement, params).await?;
            create_tombstones(&mut tx, &deleted, pepper, now).await?;
            let at_relays = deleted.iter().filter_map(DeletedMessage::at_relay);
            forget_messages(&mut tx, at_relays, now).await?;
            if deleted.len() >= usize::from(SLICE) {
                tx.commit().await?;
                return Ok(Progress::More);
            }
        }
        tx.execute(DELETE_CONVERSATIONS, (user_id,)).await?;
        let accounts: Vec<ProviderAccount> = tx.all(ACCOUNTS_OF_PERSON, (user_id,)).await?;
        for job in accounts.iter().map(account_job) {
            enqueue(&mut tx, &job, now).await?;
        }
        tx.execute(DELETE_PERSON, (user_id,)).await?;
        tx.commit().await?;
        Ok(Progress::Done)
    }

    /// Deletes a job that would carry out a deletion: the deletion is done, or the operator has given it up.
    pub async fn withdraw_deletion_job(&self, job_id: Uuid) -> Result<(), StoreError> {
        self.pools.writes().execute(DELETE_JOB, (job_id,)).await?;
        Ok(())
    }
}
