//! Deleting a person: everything or nothing, in one transaction.
//!
//! The person's row is locked first, then their conversations: intake locks the same rows before it
//! stores a message, so a message that arrives meanwhile is either deleted with the rest or, coming
//! second, finds nobody and begins anew. Messages go in slices, each leaving its keyed hashes, so that
//! no history is too long for memory. What the identity provider has to forget becomes a job of the
//! same transaction. Rows that hang on the person's go with it by their foreign keys. Counters of codes
//! sent stay the day or two that they live: deleting oneself must not make room for more.

use std::fmt::Write;

use sqlx::FromRow;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::jobs::{INSERT_JOB, NewJob};
use crate::store::otp::PHONE_HASH;
use crate::store::statements::statements;
use crate::store::tombstones::BURY_MESSAGES;
use crate::store::transaction::in_transaction;
use crate::store::{Pepper, Store, StoreError};

/// How many messages go at once.
const SLICE: i64 = 1_000;

statements! {
    LOCK_PERSON {
        postgres: "select coalesce(archived_phone, phone) from users where id = $1 for update",
        sqlite: "select coalesce(archived_phone, phone) from users where id = $1",
    }
    LOCK_CONVERSATIONS {
        postgres: "select id from conversations where user_id = $1 and mode = 'direct' \
                   order by id for update",
        sqlite: "select id from conversations where user_id = $1 and mode = 'direct' order by id",
    }
    DELETE_MESSAGES_OF_CONVERSATION {
        both: "delete from messages where id in ( \
                 select id from messages where conversation_id = $1 limit $2) \
               returning relay, identity",
    }
    /// In groups, and in conversations of others.
    DELETE_MESSAGES_OF_PERSON {
        both: "delete from messages where id in ( \
                 select id from messages where user_id = $1 limit $2) \
               returning relay, identity",
    }
    DELETE_CONVERSATIONS {
        both: "delete from conversations where user_id = $1 and mode = 'direct'",
    }
    DELETE_HANDLE { both: "delete from participants where handle = $1" }
    /// What others wrote stays theirs, without the number.
    DELETE_FROM_MENTIONS {
        postgres: "update messages m set meta_data = jsonb_set( \
                     m.meta_data::jsonb, '{mentions}', coalesce( \
                       (select jsonb_agg(given.address order by given.n) \
                        from jsonb_array_elements_text(m.meta_data::jsonb -> 'mentions') \
                          with ordinality as given (address, n) \
                        where given.address <> $1), \
                       '[]'))::json \
                   from mentions t where t.address = $1 and m.id = t.message_id",
        sqlite: "update messages set meta_data = json_set( \
                   meta_data, '$.mentions', json( \
                     (select json_group_array(value) from ( \
                       select value from json_each(messages.meta_data, '$.mentions') \
                       where value <> $1 order by id)))) \
                 where id in (select message_id from mentions where address = $1)",
    }
    DELETE_MENTIONS { both: "delete from mentions where address = $1" }
    /// Challenges go with their codes.
    DELETE_CODES { both: "delete from otp_codes where phone_hash = $1" }
    DELETE_CHALLENGES { both: "delete from otp_challenges where phone_hash = $1" }
    ACCOUNTS_OF_PERSON {
        both: "select issuer, subject from accounts where user_id = $1 order by issuer",
    }
    /// With relationships, traits, onboarding, sessions and accounts; events keep no link.
    DELETE_PERSON { both: "delete from users where id = $1" }
}

/// Who a person is at an identity provider.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct ProviderAccount {
    /// The provider.
    pub issuer: String,
    /// The person's id there.
    pub subject: Uuid,
}

/// What became of a wish to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// Everything is gone.
    Now,
    /// There was nobody.
    Before,
}

#[derive(FromRow)]
struct Identity {
    relay: String,
    identity: Option<String>,
}

impl Identity {
    fn tombstone(&self, pepper: &Pepper) -> Option<String> {
        let hash = pepper.message_tombstone(&self.relay, self.identity.as_deref()?);
        let mut hex = String::with_capacity(2 * hash.len());
        for byte in hash {
            let _ = write!(hex, "{byte:02x}");
        }
        Some(hex)
    }
}

impl Store {
    /// Removes a number from the chats of others, from what they wrote to mention it, and from the codes,
    /// whoever's it is. Tells from how many chats and messages.
    pub async fn forget_number(&self, phone: &str, pepper: &Pepper) -> Result<u64, StoreError> {
        let phone_hash = pepper.hash(PHONE_HASH, phone);
        in_transaction!(self.pools, |tx, dialect| {
            for statement in [DELETE_CHALLENGES, DELETE_CODES] {
                sqlx::query(statement.on(dialect))
                    .bind(&phone_hash[..])
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query(DELETE_FROM_MENTIONS.on(dialect))
                .bind(phone)
                .execute(&mut *tx)
                .await?;
            let mut places = 0;
            for statement in [DELETE_MENTIONS, DELETE_HANDLE] {
                places += sqlx::query(statement.on(dialect))
                    .bind(phone)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
            }
            Ok(places)
        })
    }

    /// Deletes a person and all that is theirs. `job` makes the work that an account leaves to be done
    /// at its provider.
    pub async fn delete_person(
        &self,
        user_id: Uuid,
        pepper: &Pepper,
        job: &(dyn Fn(&ProviderAccount) -> NewJob + Sync),
        now: Timestamp,
    ) -> Result<Deleted, StoreError> {
        let until = now.plus(Self::MESSAGE_TOMBSTONE_TTL);
        in_transaction!(self.pools, |tx, dialect| {
            let phone: Option<String> = sqlx::query_scalar(LOCK_PERSON.on(dialect))
                .bind(user_id)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(phone) = phone else {
                return Ok(Deleted::Before);
            };
            let conversations: Vec<Uuid> = sqlx::query_scalar(LOCK_CONVERSATIONS.on(dialect))
                .bind(user_id)
                .fetch_all(&mut *tx)
                .await?;
            let of_conversations = conversations
                .iter()
                .map(|id| (DELETE_MESSAGES_OF_CONVERSATION, id));
            for (statement, id) in of_conversations.chain([(DELETE_MESSAGES_OF_PERSON, &user_id)]) {
                loop {
                    let gone: Vec<Identity> = sqlx::query_as(statement.on(dialect))
                        .bind(*id)
                        .bind(SLICE)
                        .fetch_all(&mut *tx)
                        .await?;
                    let buried: Vec<_> = gone
                        .iter()
                        .filter_map(|row| row.tombstone(pepper))
                        .collect();
                    sqlx::query(BURY_MESSAGES.on(dialect))
                        .bind(serde_json::json!(buried).to_string())
                        .bind(now)
                        .bind(until)
                        .execute(&mut *tx)
                        .await?;
                    if gone.len() < usize::try_from(SLICE).expect("small") {
                        break;
                    }
                }
            }
            sqlx::query(DELETE_CONVERSATIONS.on(dialect))
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
            for statement in [DELETE_HANDLE, DELETE_FROM_MENTIONS, DELETE_MENTIONS] {
                sqlx::query(statement.on(dialect))
                    .bind(&phone)
                    .execute(&mut *tx)
                    .await?;
            }
            let phone_hash = pepper.hash(PHONE_HASH, &phone);
            for statement in [DELETE_CHALLENGES, DELETE_CODES] {
                sqlx::query(statement.on(dialect))
                    .bind(&phone_hash[..])
                    .execute(&mut *tx)
                    .await?;
            }
            let accounts: Vec<ProviderAccount> = sqlx::query_as(ACCOUNTS_OF_PERSON.on(dialect))
                .bind(user_id)
                .fetch_all(&mut *tx)
                .await?;
            for job in accounts.iter().map(job) {
                sqlx::query(INSERT_JOB.on(dialect))
                    .bind(job.id)
                    .bind(job.kind)
                    .bind(job.payload)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query(DELETE_PERSON.on(dialect))
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
            Ok(Deleted::Now)
        })
    }
}
