//! Number reassignment: a number belongs to one person after the other.
//!
//! A number that was silent for [`Store::SILENCE`], with neither a sign-in nor a message, has a new owner by
//! now. The next sign-in archives the person who had it. That person keeps everything but the number, and
//! later messages from the number do not reach them. If the new owner wrote before signing in, what was said
//! since the silence ended moves to the new person.
//!
//! The silence is found in the messages themselves, so it is found in adopted ones too. For messages that
//! retention removed, two times on the person's row stand in. Everything is decided under the lock of that
//! row, which intake takes as well: simultaneous sign-ins agree, and a message goes to the person who owns
//! the number when it is stored.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::{Statement, statements};
use crate::store::{Store, StoreError};

/// How often a sign-in looks again for a number that another one has just taken or left.
const MAX_TRIES: usize = 8;

statements! {
    LOCK_OWNER {
        postgres: "select id, last_sign_in_at from users where phone = $1 for update",
        sqlite: "select id, last_sign_in_at from users where phone = $1",
    }
    CREATE_OWNER {
        both: "insert into users (id, phone, created_at, last_sign_in_at) values ($1, $2, $3, $4)
               on conflict (phone) do nothing",
    }
    NOTE_SIGN_IN_OF_OWNER {
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
    /// The number is free then. See [`archive_params`].
    ARCHIVE_PERSON {
        both: "update users set archived_at = $2, archived_phone = phone, phone = $3
               where id = $1 and archived_phone is null",
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

/// What the new person gets of the old one's, in order. Parameters: old person, new person, end of the
/// silence.
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

/// The person a number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberOwner {
    pub user_id: Uuid,
    /// The person who had the number before and was archived just now. Their accounts at the provider are
    /// to be deleted before the new person gets one: [`Store::retired_accounts`] lists them, also after a
    /// crash in between.
    pub archived: Option<Uuid>,
    /// Whether nothing was known of the person until now.
    pub is_new: bool,
}

/// A number that was confirmed in a sign-in.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmedNumber<'a> {
    /// E.164.
    pub phone: &'a str,
    /// Id of the person's row, should the number turn out to be a new person's.
    pub new_user_id: Uuid,
    /// Whether the device proves that this number was confirmed on it before. The number then keeps its
    /// owner, however long it was silent.
    pub is_known_device: bool,
}

impl Store {
    /// How long a number has to be silent to be a new owner's.
    pub const SILENCE: Duration = Duration::from_hours(180 * 24);

    /// Finds the person who signs in with a number, or notes that a new one does.
    pub async fn resolve_owner(
        &self,
        number: ConfirmedNumber<'_>,
        now: Timestamp,
    ) -> Result<NumberOwner, StoreError> {
        let ConfirmedNumber {
            phone, new_user_id, ..
        } = number;
        let mut tx = self.pools.begin_write().await?;
        for _ in 0..MAX_TRIES {
            let owner: Option<(Uuid, Option<Timestamp>)> =
                tx.optional(LOCK_OWNER, (phone,)).await?;
            let Some((owner, last_sign_in_at)) = owner else {
                let params = (new_user_id, phone, now, now);
                if tx.execute(CREATE_OWNER, params).await? == 0 {
                    // Another sign-in was faster. Its person is there to be found now.
                    continue;
                }
                tx.commit().await?;
                return Ok(NumberOwner {
                    user_id: new_user_id,
                    archived: None,
                    is_new: true,
                });
            };
            let signed_in_lately = last_sign_in_at.is_some_and(|at| at > now.minus(Self::SILENCE));
            let silence_ended: Option<Timestamp> = if signed_in_lately || number.is_known_device {
                None
            } else {
                tx.value(SILENCE_ENDED, (owner, now)).await?
            };
            let Some(began_at) = silence_ended else {
                tx.execute(NOTE_SIGN_IN_OF_OWNER, (owner, now)).await?;
                tx.commit().await?;
                return Ok(NumberOwner {
                    user_id: owner,
                    archived: None,
                    is_new: false,
                });
            };
            tx.execute(ARCHIVE_PERSON, archive_params(owner, now))
                .await?;
            tx.execute(END_SESSIONS_OF_PERSON, (owner, now)).await?;
            let params = (new_user_id, phone, began_at, now);
            tx.execute(CREATE_OWNER, params).await?;
            let params = (owner, new_user_id, began_at);
            tx.execute(HAND_OVER_CONVERSATIONS, params).await?;
            tx.execute(ARCHIVE_CONVERSATIONS, (owner,)).await?;
            for statement in HAND_OVER {
                tx.execute(statement, params).await?;
            }
            tx.commit().await?;
            return Ok(NumberOwner {
                user_id: new_user_id,
                archived: Some(owner),
                is_new: true,
            });
        }
        Err(StoreError::Overloaded)
    }

    /// The ids at the provider of those who had this number before.
    pub async fn retired_accounts(
        &self,
        phone: &str,
        issuer: &str,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut reads = self.pools.reads();
        reads.values(RETIRED_ACCOUNTS, (phone, issuer)).await
    }

    /// Notes that the provider has deleted this account.
    pub async fn forget_account(&self, issuer: &str, subject: Uuid) -> Result<(), StoreError> {
        let params = (issuer, subject);
        self.pools.writes().execute(FORGET_ACCOUNT, params).await?;
        Ok(())
    }
}

/// The parameters of [`ARCHIVE_PERSON`].
pub(super) fn archive_params(user_id: Uuid, now: Timestamp) -> (Uuid, Timestamp, String) {
    (user_id, now, format!("archived:{}", user_id.simple()))
}
