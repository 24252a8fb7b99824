//! A person's messages, newest first, page by page.
//!
//! A direct conversation is its owner's, with everything that was said in it. Of a group a person sees
//! what they wrote. The newest of both are found by an index each, at most a page of either, so a
//! page costs the same however long the history is. Under row-level security a group's own row is
//! invisible, so its kind is told by what it is not.

use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use super::reader::Reader;
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::pools::again_if_lost;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

statements! {
    READ_MESSAGES {
        postgres: "with direct as materialized (
                     select id from conversations
                     where user_id = $1 and mode = 'direct' and ($5::uuid is null or id = $5)
                   ), found as (
                     select m.id, m.created_at from direct d cross join lateral (
                       select id, created_at from messages
                       where conversation_id = d.id and (created_at, id) < ($2, $3)
                       order by created_at desc, id desc limit $4) m
                     union
                     (select m.id, m.created_at from messages m
                      where m.user_id = $1 and (m.created_at, m.id) < ($2, $3)
                        and ($5::uuid is null or m.conversation_id = $5)
                        and not exists (
                          select 1 from conversations c
                          where c.id = m.conversation_id and c.mode = 'direct'
                            and c.user_id is distinct from $1)
                      order by m.created_at desc, m.id desc limit $4)
                   ), page as materialized (
                     select id, created_at from found order by created_at desc, id desc limit $4
                   )
                   select m.id, m.conversation_id,
                     case when exists (select 1 from direct d where d.id = m.conversation_id)
                       then 'direct' else 'group' end as mode,
                     m.role, m.text, m.event, m.revision, m.message_guid, m.service, m.is_backfill,
                     m.meta_data, m.sent_at, m.created_at
                   from page join messages m on m.id = page.id
                   order by page.created_at desc, page.id desc",
        sqlite: "with direct as materialized (
                   select id from conversations
                   where user_id = $1 and mode = 'direct' and ($5 is null or id = $5)
                 ), found as (
                   select m.id, m.created_at from direct d cross join messages m on m.id in (
                     select id from messages
                     where conversation_id = d.id and created_at <= $2 and (created_at, id) < ($2, $3)
                     order by created_at desc, id desc limit $4)
                   union
                   select id, created_at from (
                     select m.id, m.created_at from messages m
                     where m.user_id = $1 and m.created_at <= $2 and (m.created_at, m.id) < ($2, $3)
                       and ($5 is null or m.conversation_id = $5)
                       and not exists (
                         select 1 from conversations c
                         where c.id = m.conversation_id and c.mode = 'direct'
                           and c.user_id is not $1)
                     order by m.created_at desc, m.id desc limit $4)
                 ), page as materialized (
                   select id, created_at from found order by created_at desc, id desc limit $4
                 )
                 select m.id, m.conversation_id,
                   case when exists (select 1 from direct d where d.id = m.conversation_id)
                     then 'direct' else 'group' end as mode,
                   m.role, m.text, m.event, m.revision, m.message_guid, m.service, m.is_backfill,
                   m.meta_data, m.sent_at, m.created_at
                 from page cross join messages m on m.id = page.id
                 order by page.created_at desc, page.id desc",
    }
}

/// A place between two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePosition {
    /// When the message above it was stored.
    pub created_at: Timestamp,
    /// Its id, which decides between messages of one instant.
    pub id: Uuid,
}

impl MessagePosition {
    /// Above everything.
    pub const TOP: Self = Self {
        created_at: Timestamp::from_secs(253_402_300_799),
        id: Uuid::max(),
    };
}

/// Which messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageQuery {
    /// Only what lies below it.
    pub below: MessagePosition,
    /// At most that many.
    pub limit: u32,
    /// Of one conversation only.
    pub conversation_id: Option<Uuid>,
}

/// A message, as its reader may see it.
#[derive(Debug, FromRow)]
pub struct MessageRow {
    /// Our id.
    pub id: Uuid,
    /// The conversation.
    pub conversation_id: Uuid,
    /// `direct` or `group`.
    pub mode: String,
    /// `user`, `owner`, or the one that answers.
    pub role: String,
    /// The text.
    pub text: String,
    /// What happened.
    pub event: String,
    /// Which revision of it.
    pub revision: i32,
    /// Messages' own name for it; edits and tapbacks carry that of their message.
    pub message_guid: Option<String>,
    /// `iMessage`, `SMS`, …
    pub service: Option<String>,
    /// Brought back by iCloud.
    pub is_backfill: bool,
    /// What else it carried.
    pub meta_data: Option<Json<Box<RawValue>>>,
    /// The sender's clock.
    pub sent_at: Option<Timestamp>,
    /// Ours.
    pub created_at: Timestamp,
}

impl MessageRow {
    /// The place right below it.
    pub fn position(&self) -> MessagePosition {
        MessagePosition {
            created_at: self.created_at,
            id: self.id,
        }
    }
}

impl Store {
    /// What `reader` may see of a person's messages, newest first.
    pub async fn messages(
        &self,
        reader: &Reader,
        query: MessageQuery,
    ) -> Result<Vec<MessageRow>, StoreError> {
        let params = (
            reader.user_id(),
            query.below.created_at,
            query.below.id,
            i64::from(query.limit),
            query.conversation_id,
        );
        again_if_lost(|| async move {
            let mut tx = self.pools.begin_read(reader.actor()).await?;
            tx.all(READ_MESSAGES, params).await
        })
        .await
    }
}
