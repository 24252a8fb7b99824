//! A person's messages, newest first, page by page.
//!
//! A person can read all messages of their direct conversations, and their own messages in groups. An index finds at
//! most a page of the newest messages of each kind, direct and group, so the length of the history costs nothing.
//! Row-level security hides the rows of groups, so every conversation that is not one of the direct ones counts as a
//! group.

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::reader::Reader;
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::pools::retry_if_lost;
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
                     m.meta_data, m.sent_at, m.created_at,
                     case when m.role = 'assistant' then (
                       select b.state from command_bubbles b where b.message_id = m.id limit 1)
                     end as delivery
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
                   m.meta_data, m.sent_at, m.created_at,
                   case when m.role = 'assistant' then (
                     select b.state from command_bubbles b where b.message_id = m.id limit 1)
                   end as delivery
                 from page cross join messages m on m.id = page.id
                 order by page.created_at desc, page.id desc",
    }
}

/// A position in the list of messages: directly below the message with this time and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePosition {
    pub created_at: Timestamp,
    pub id: Uuid,
}

impl MessagePosition {
    /// Above all messages: at the end of the year 9999.
    pub const TOP: Self = Self {
        created_at: Timestamp::from_secs(253_402_300_799),
        id: Uuid::max(),
    };
}

/// Which messages a page has.
#[derive(Clone, Copy, Debug)]
pub struct MessageQuery {
    /// The page begins directly below this position.
    pub below: MessagePosition,
    /// The maximum number of messages.
    pub limit: u32,
    /// Only the messages of this conversation; `None` for those of all conversations.
    pub conversation_id: Option<Uuid>,
}

/// A message.
#[derive(Debug, FromRow, Serialize, ToSchema)]
#[schema(as = MessageView)]
pub struct MessageRow {
    pub id: Uuid,
    pub conversation_id: Uuid,
    pub mode: String,
    /// `user` for what people and the Mac's owner have written, `assistant` for a bubble of a reply.
    pub role: String,
    pub text: String,
    pub event: String,
    pub revision: i32,
    pub message_guid: Option<String>,
    pub service: Option<String>,
    pub is_backfill: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    pub meta_data: Option<Json<Box<RawValue>>>,
    pub sent_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// How far the bubble of a reply has come: `pending`, `received`, `held`, `dispatched`, `row_seen`, `sent`,
    /// `delivered`, `failed`, `unknown`, `cancelled` or `expired`. It is kept for 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<String>,
}

impl MessageRow {
    pub fn position(&self) -> MessagePosition {
        MessagePosition {
            created_at: self.created_at,
            id: self.id,
        }
    }
}

impl Store {
    /// A page of the messages that the person may read, newest first.
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
        retry_if_lost(|| async move {
            let mut tx = self.pools.begin_read(reader.actor()).await?;
            tx.all(READ_MESSAGES, params).await
        })
        .await
    }
}
