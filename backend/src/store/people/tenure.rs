//! Whose a number is: one person after the other.
//!
//! A number that was silent for [`Store::SILENCE`], neither signing in nor writing, has a new owner by
//! now. The next sign-in archives the person who had it: everything stays theirs but the number, and
//! nothing that comes from the number reaches it any more. If the new owner wrote before signing in,
//! what was said since the silence ended moves to the new person.
//!
//! The silence is found in the messages themselves, so it is found in adopted ones too. For messages that
//! retention removed, two times on the person's row stand in. All is decided under the lock of that row,
//! which intake takes as well: simultaneous sign-ins agree, and a message goes to the person who holds the
//! number when it is stored.

use std::time::Duration;

use sqlx::FromRow;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::{Statement, statements};
use crate::store::{Store, StoreError};

/// How often a sign-in looks again for a number that another one has just taken or left.
const MAX_TRIES: usize = 8;

statements! {
    LOCK_HOLDER {
        postgres: "select id, last_sign_in_at from users where phone = $1 for update",
        sqlite: "select id, last_sign_in_at from users where phone = $1",
    }
    CREATE_HOLDER {
        both: "insert into users (id, phone, created_at, last_sign_in_at) values ($1, $2, $3, $4)
               on conflict (phone) do nothing",
    }
    NOTE_HOLDER {
        both: "update users set last_sign_in_at = $2
               where id = $1 and (last_sign_in_at is null or last_sign_in_at < $2)",
    }
    /// When the last long silence ended: $2, which is now, if it has not ended yet. What iCloud brought
    /// back does not count. What lies before the last sign-in was decided then. What retention has removed
    /// stands in `heard_at` and `silence_ended_at`.
    SILENCE_ENDED {
        postgres: "with contacts as (
                     select created_at as met_at from users where id = $1
                     union all select last_sign_in_at from users where id = $1
                     union all select heard_at from users where id = $1
                     union all select last_interaction_at from relationships where user_id = $1
                     union all select created_at from messages
                       where user_id = $1 and not is_backfill and relay not like '%/rehearsal'
                     union all select $2
                   ), gaps as (
                     select met_at, lag(met_at) over (order by met_at) as before from contacts
                     where met_at >= coalesce(
                       (select greatest(last_sign_in_at, heard_at) from users where id = $1),
                       '-infinity')
                   ), ends as (
                     select met_at from gaps where met_at - before >= interval '180 days'
                     union all select silence_ended_at from users
                       where id = $1 and silence_ended_at > coalesce(last_sign_in_at, '-infinity')
                   )
                   select max(met_at) from ends",
        sqlite: "with contacts as (
                   select created_at as met_at from users where id = $1
                   union all select last_sign_in_at from users where id = $1
                   union all select heard_at from users where id = $1
                   union all select last_interaction_at from relationships where user_id = $1
                   union all select created_at from messages
                     where user_id = $1 and not is_backfill and relay not like '%/rehearsal'
                   union all select $2
                 ), gaps as (
                   select met_at, lag(met_at) over (order by met_at) as before from contacts
                   where met_at >= (
                     select max(
                       coalesce(last_sign_in_at, -9223372036854775808),
                       coalesce(heard_at, -9223372036854775808))
                     from users where id = $1)
                 ), ends as (
                   select met_at from gaps where met_at - before >= 15552000000000
                   union all select silence_ended_at from users
                     where id = $1
                       and silence_ended_at > coalesce(last_sign_in_at, -9223372036854775808)
                 )
                 select max(met_at) from ends",
    }
    ARCHIVE_PERSON {
        postgres: "update users set archived_at = $2, archived_phone = phone,
                     phone = 'archived:' || replace(id::text, '-', '') where id = $1",
        sqlite: "update users set archived_at = $2, archived_phone = phone,
                   phone = 'archived:' || lower(hex(id)) where id = $1",
    }
    END_SESSIONS_OF_PERSON {
        both: "update sessions set ended_at = $2, end_reason = 'new_tenure'
               where user_id = $1 and ended_at is null",
    }
    /// What began after the silence is the new person's as it is.
    HAND_OVER_CONVERSATIONS {
        both: "update conversations set user_id = $2
               where user_id = $1 and mode = 'direct' and not exists (
                 select 1 from messages where conversation_id = conversations.id and created_at < $3)
               and exists (select 1 from messages where conversation_id = conversations.id)",
    }
    /// Under a guid that no chat has, so that the next message begins a conversation.
    ARCHIVE_CONVERSATIONS {
        postgres: "update conversations
                   set guid = 'archived:' || replace(id::text, '-', '') || ':' || guid
                   where user_id = $1 and mode = 'direct' and guid not like 'archived:%'",
        sqlite: "update conversations set guid = 'archived:' || lower(hex(id)) || ':' || guid
                 where user_id = $1 and mode = 'direct' and guid not like 'archived:%'",
    }
    /// A second half for each that goes on after the silence. Who is in it is written anew.
    SPLIT_CONVERSATIONS {
        postgres: "insert into conversations (
                     id, chat_guid, mode, created_at, relay, line, guid, owner_handle, user_id)
                   select gen_random_uuid(), c.chat_guid, c.mode, $3, c.relay, c.line,
                     substr(c.guid, 43), c.owner_handle, $2
                   from conversations c
                   where c.user_id = $1 and c.mode = 'direct' and exists (
                     select 1 from messages m where m.conversation_id = c.id and m.created_at >= $3)",
        sqlite: "insert into conversations (
                   id, chat_guid, mode, created_at, relay, line, guid, owner_handle, user_id)
                 select randomblob(16), c.chat_guid, c.mode, $3, c.relay, c.line,
                   substr(c.guid, 43), c.owner_handle, $2
                 from conversations c
                 where c.user_id = $1 and c.mode = 'direct' and exists (
                   select 1 from messages m where m.conversation_id = c.id and m.created_at >= $3)",
    }
    HAND_OVER_ALIASES {
        both: "insert into conversation_aliases (conversation_id, chat_guid, created_at)
               select n.id, a.chat_guid, $3
               from conversations c
               join conversations n on n.relay = c.relay and n.line = c.line
                 and n.guid = substr(c.guid, 43) and n.user_id = $2
               join conversation_aliases a on a.conversation_id = c.id
               where c.user_id = $1 and c.mode = 'direct'
               on conflict do nothing",
    }
    /// Of the conversations that were split, what was said since. What iCloud brought back from before
    /// stays.
    HAND_OVER_HALVES {
        both: "update messages set conversation_id = n.id
               from conversations c
               join conversations n on n.relay = c.relay and n.line = c.line
                 and n.guid = substr(c.guid, 43) and n.user_id = $2
               where c.user_id = $1 and c.mode = 'direct' and messages.conversation_id = c.id
                 and messages.created_at >= $3
                 and (not messages.is_backfill or messages.sent_at is null or messages.sent_at >= $3)",
    }
    HAND_OVER_MESSAGES {
        both: "update messages set user_id = $2
               where user_id = $1 and created_at >= $3
                 and (not is_backfill or sent_at is null or sent_at >= $3)",
    }
    HAND_OVER_TRAITS {
        both: "update user_traits set user_id = $2 where user_id = $1 and created_at >= $3",
    }
    HAND_OVER_TRAIT_PROFILE {
        both: "update trait_profiles set user_id = $2 where user_id = $1 and created_at >= $3",
    }
    HAND_OVER_ONBOARDINGS {
        both: "update onboarding_sessions set user_id = $2 where user_id = $1 and started_at >= $3",
    }
    /// Begins at nothing with each persona that the new person spoke to. Which persona a message was for
    /// is not worth a column; where there is one persona, as there mostly is, the count is exact.
    HAND_OVER_RELATIONSHIPS {
        postgres: "insert into relationships (
                     id, user_id, persona_id, trust_score, stage, message_count, last_interaction_at)
                   select gen_random_uuid(), $2, r.persona_id, 0, 'new',
                     least(r.message_count, (select count(*) from messages
                       where user_id = $2 and event = 'message' and not from_owner
                         and relay not like '%/rehearsal')),
                     r.last_interaction_at
                   from relationships r where r.user_id = $1 and r.last_interaction_at >= $3",
        sqlite: "insert into relationships (
                   id, user_id, persona_id, trust_score, stage, message_count, last_interaction_at)
                 select randomblob(16), $2, r.persona_id, 0, 'new',
                   min(r.message_count, (select count(*) from messages
                     where user_id = $2 and event = 'message' and not from_owner
                       and relay not like '%/rehearsal')),
                   r.last_interaction_at
                 from relationships r where r.user_id = $1 and r.last_interaction_at >= $3",
    }
    /// Of the old person's figures, those that were the new one's.
    TAKE_BACK_RELATIONSHIPS {
        both: "update relationships set
                 message_count = message_count - (select n.message_count from relationships n
                   where n.user_id = $2 and n.persona_id = relationships.persona_id),
                 last_interaction_at = (select max(created_at) from messages
                   where user_id = $1 and not is_backfill and relay not like '%/rehearsal')
               where user_id = $1 and last_interaction_at >= $3",
    }
    /// What the provider still has of those who had this number before.
    RETIRED_ACCOUNTS {
        both: "select a.subject from users u join accounts a on a.user_id = u.id
               where u.archived_phone = $1 and a.issuer = $2 order by a.created_at, a.subject",
    }
    FORGET_ACCOUNT { both: "delete from accounts where issuer = $1 and subject = $2" }
}

/// What the new person gets of the old one's, in order; each takes both and when the silence ended.
const HAND_OVER: [Statement; 9] = [
    SPLIT_CONVERSATIONS,
    HAND_OVER_ALIASES,
    HAND_OVER_HALVES,
    HAND_OVER_MESSAGES,
    HAND_OVER_TRAITS,
    HAND_OVER_TRAIT_PROFILE,
    HAND_OVER_ONBOARDINGS,
    HAND_OVER_RELATIONSHIPS,
    TAKE_BACK_RELATIONSHIPS,
];

/// Who holds a number now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Who held it before.
    Known(Uuid),
    /// A new person: none was known under it.
    New(Uuid),
    /// Another person than before, who is archived.
    After {
        /// Who holds it now.
        user_id: Uuid,
        /// Who held it.
        archived: Uuid,
    },
}

/// The person, should the number turn out to be a new person's.
#[derive(Clone, Copy, Debug)]
pub struct NewHolder<'a> {
    /// Id of the row.
    pub id: Uuid,
    /// E.164.
    pub phone: &'a str,
    /// Whether the device proves that this number was confirmed on it before. The number then keeps its
    /// owner, however long it was silent.
    pub is_known_device: bool,
}

#[derive(FromRow)]
struct Held {
    id: Uuid,
    last_sign_in_at: Option<Timestamp>,
}

impl Store {
    /// How long a number has to be silent to be a new owner's.
    pub const SILENCE: Duration = Duration::from_hours(180 * 24);

    /// Finds the person who signs in with a number, or notes that a new one does.
    pub async fn resolve_holder(
        &self,
        new: NewHolder<'_>,
        now: Timestamp,
    ) -> Result<Holder, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        for _ in 0..MAX_TRIES {
            let held: Option<Held> = tx.optional(LOCK_HOLDER, (new.phone,)).await?;
            let Some(held) = held else {
                let params = (new.id, new.phone, now, now);
                if tx.execute(CREATE_HOLDER, params).await? == 1 {
                    tx.commit().await?;
                    return Ok(Holder::New(new.id));
                }
                // Another sign-in was faster. Its person is there to be found now.
                continue;
            };
            let signed_in_lately = held
                .last_sign_in_at
                .is_some_and(|at| at > now.minus(Self::SILENCE));
            let silence_ended: Option<Timestamp> = if signed_in_lately || new.is_known_device {
                None
            } else {
                tx.value(SILENCE_ENDED, (held.id, now)).await?
            };
            let Some(began_at) = silence_ended else {
                tx.execute(NOTE_HOLDER, (held.id, now)).await?;
                tx.commit().await?;
                return Ok(Holder::Known(held.id));
            };
            for statement in [ARCHIVE_PERSON, END_SESSIONS_OF_PERSON] {
                tx.execute(statement, (held.id, now)).await?;
            }
            tx.execute(CREATE_HOLDER, (new.id, new.phone, began_at, now))
                .await?;
            let params = (held.id, new.id, began_at);
            tx.execute(HAND_OVER_CONVERSATIONS, params).await?;
            tx.execute(ARCHIVE_CONVERSATIONS, (held.id,)).await?;
            for statement in HAND_OVER {
                tx.execute(statement, params).await?;
            }
            tx.commit().await?;
            return Ok(Holder::After {
                user_id: new.id,
                archived: held.id,
            });
        }
        Err(StoreError::Overloaded)
    }

    /// The ids at the provider of those who had this number before. Their accounts are to be deleted there
    /// before the number can be another person's.
    pub async fn retired_accounts(
        &self,
        phone: &str,
        issuer: &str,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut reads = self.pools.reads();
        reads.values(RETIRED_ACCOUNTS, (phone, issuer)).await
    }

    /// Notes that the provider knows nothing of this account any more.
    pub async fn forget_account(&self, issuer: &str, subject: Uuid) -> Result<(), StoreError> {
        let params = (issuer, subject);
        self.pools.writes().execute(FORGET_ACCOUNT, params).await?;
        Ok(())
    }
}
