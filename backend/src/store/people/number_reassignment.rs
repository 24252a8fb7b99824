//! Number reassignment: a phone number can pass from one person to another.
//!
//! If a number was silent for [`Store::SILENCE`], with neither a sign-in nor a message, it is taken to have a new
//! owner. The next sign-in archives the person who had the number. That person keeps everything but the number, and
//! gets no later messages from it. If the new owner has written before the sign-in, the messages since the end of the
//! silence are moved to the new person.
//!
//! The silence is found by the times of the messages, also of adopted ones. Two times in the person's row replace the
//! messages that retention has deleted. A sign-in locks the person's row, and so does the statement that stores a
//! message. So simultaneous sign-ins find the same person, and a message belongs to the person who has the number when
//! the message is stored.

use std::time::Duration;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::{Statement, statements};
use crate::store::{Store, StoreError};

/// How often a sign-in reads the owner of the number again after another sign-in has changed the owner.
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
    /// The end of the last long silence: $2, which is now, if the silence goes on. Messages that iCloud restored do
    /// not count. Silences before the last sign-in do not count, since that sign-in has handled them. `heard_at` and
    /// `silence_ended_at` replace the messages that retention has deleted.
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
    /// Another person can have the number after this. See [`archive_params`].
    ARCHIVE_PERSON {
        both: "update users set archived_at = $2, archived_phone = phone, phone = $3
               where id = $1 and archived_phone is null",
    }
    END_SESSIONS_OF_PERSON {
        both: "update sessions set ended_at = $2, end_reason = 'new_tenure'
               where user_id = $1 and ended_at is null",
    }
    /// Moves the conversations that began after the silence.
    HAND_OVER_CONVERSATIONS {
        both: "update conversations set user_id = $2
               where user_id = $1 and mode = 'direct' and not exists (
                 select 1 from messages where conversation_id = conversations.id and created_at < $3)
               and exists (select 1 from messages where conversation_id = conversations.id)",
    }
    /// The conversations get guids that no chat has, so that the next message creates a new conversation.
    ARCHIVE_CONVERSATIONS {
        postgres: "update conversations
                   set guid = 'archived:' || replace(id::text, '-', '') || ':' || guid
                   where user_id = $1 and mode = 'direct' and guid not like 'archived:%'",
        sqlite: "update conversations set guid = 'archived:' || lower(hex(id)) || ':' || guid
                 where user_id = $1 and mode = 'direct' and guid not like 'archived:%'",
    }
    /// Creates a second conversation for each archived one that goes on after the silence. The next message writes its
    /// participants. The guid's first 42 characters are the prefix of [`ARCHIVE_CONVERSATIONS`].
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
    /// Gives the second conversations the full guids under which the archived ones were seen.
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
    /// Moves the messages since the end of the silence into the second conversations. Earlier messages that iCloud
    /// restored later stay.
    HAND_OVER_LATER_HALVES {
        both: "update messages set conversation_id = n.id
               from conversations c
               join conversations n on n.relay = c.relay and n.line = c.line
                 and n.guid = substr(c.guid, 43) and n.user_id = $2
               where c.user_id = $1 and c.mode = 'direct' and messages.conversation_id = c.id
                 and messages.created_at >= $3
                 and (not messages.is_backfill or messages.sent_at is null or messages.sent_at >= $3)",
    }
    /// The states of moved replies follow them.
    HAND_OVER_BUBBLES {
        both: "update command_bubbles set conversation_id = n.id
               from messages m join conversations n on n.id = m.conversation_id and n.user_id = $2
               where m.id = command_bubbles.message_id and m.created_at >= $3
                 and command_bubbles.conversation_id <> n.id
                 and command_bubbles.conversation_id in (
                   select id from conversations where user_id = $1 and mode = 'direct')",
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
    /// Creates a relationship for each persona with which the new person has talked. Messages do not name their
    /// persona, so the count is exact only if there is one persona, as in most installations.
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
    /// Subtracts the new person's messages from the old person's counts.
    SUBTRACT_RELATIONSHIPS {
        both: "update relationships set
                 message_count = message_count - (select n.message_count from relationships n
                   where n.user_id = $2 and n.persona_id = relationships.persona_id),
                 last_interaction_at = (select max(created_at) from messages
                   where user_id = $1 and not is_backfill and relay not like '%/rehearsal')
               where user_id = $1 and last_interaction_at >= $3",
    }
    /// The accounts of archived people who had the number $1.
    RETIRED_ACCOUNTS {
        both: "select a.subject from users u join accounts a on a.user_id = u.id
               where u.archived_phone = $1 and a.issuer = $2 order by a.created_at, a.subject",
    }
    FORGET_ACCOUNT { both: "delete from accounts where issuer = $1 and subject = $2" }
}

/// The statements that move rows to the new person, in the order in which they have to run. Parameters: old person, new
/// person, end of the silence.
const HAND_OVER: [Statement; 10] = [
    SPLIT_CONVERSATIONS,
    HAND_OVER_ALIASES,
    HAND_OVER_LATER_HALVES,
    HAND_OVER_BUBBLES,
    HAND_OVER_MESSAGES,
    HAND_OVER_TRAITS,
    HAND_OVER_TRAIT_PROFILE,
    HAND_OVER_ONBOARDINGS,
    HAND_OVER_RELATIONSHIPS,
    SUBTRACT_RELATIONSHIPS,
];

/// The person who has a number after a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberOwner {
    pub user_id: Uuid,
    /// The person who had the number before and was archived by this sign-in. Their accounts at the provider have to
    /// be deleted before the new person gets one. [`Store::retired_accounts`] lists these accounts, also after a
    /// crash in between.
    pub archived: Option<Uuid>,
    /// Whether this sign-in has created the person.
    pub is_new: bool,
}

/// A number that a sign-in has confirmed.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmedNumber<'a> {
    /// E.164.
    pub phone: &'a str,
    /// The id of the new person's row, if the number is new or has a new owner.
    pub new_user_id: Uuid,
    /// Whether the device proves that this number was confirmed on it before. The number then keeps its owner,
    /// however long the silence was.
    pub is_known_device: bool,
}

impl Store {
    /// After a silence of this length a number has a new owner.
    pub const SILENCE: Duration = Duration::from_hours(180 * 24);

    /// Returns the person who signs in with a number. If the number is new, creates the person. If the number has a new
    /// owner, archives the person who had it and creates another one.
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
                    // Another sign-in has created the person first. The next round finds that person.
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
            let Some(silence_ended) = silence_ended else {
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
            let params = (new_user_id, phone, silence_ended, now);
            tx.execute(CREATE_OWNER, params).await?;
            let params = (owner, new_user_id, silence_ended);
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

    /// The subjects at `issuer` of the archived people who had this number.
    pub async fn retired_accounts(
        &self,
        phone: &str,
        issuer: &str,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut reads = self.pools.reads();
        reads.values(RETIRED_ACCOUNTS, (phone, issuer)).await
    }

    /// Deletes the row of an account that the provider has deleted.
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
