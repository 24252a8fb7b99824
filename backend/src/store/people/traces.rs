//! Where a handle stands in the store: an e-mail address, a short code, or a number beside its person.
//!
//! Relays of different ages wrote one handle in different ways (`E:Mail@…`, `tel:+1…`), and what Messages
//! takes for one address no database can compare. So every row that can name a handle is read, a page at a
//! time and by its primary key, and compared here. An operator's command may take such a pass over the tables:
//! it locks nothing, and what is found is deleted by its keys.

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;
use shared_protocol::Address;
use sqlx::FromRow;
use uuid::Uuid;

use super::export::ConversationRow;
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

/// How many rows are read at once.
const PAGE: i64 = 5_000;

statements! {
    PAGE_OF_USERS {
        both: "select id, phone, archived_phone, created_at from users where id > $1 order by id limit $2",
    }
    /// Direct conversations that are no person's.
    PAGE_OF_CONVERSATIONS {
        both: "select id, chat_guid, line, created_at, meta_data, guid, owner_handle from conversations
               where id > $1 and mode = 'direct' and user_id is null order by id limit $2",
    }
    PAGE_OF_PARTICIPANTS {
        both: "select conversation_id, handle, created_at from participants
               where (conversation_id, handle) > ($1, $2) order by conversation_id, handle limit $3",
    }
    PAGE_OF_MENTIONED {
        both: "select distinct address from mentions where address > $1 order by address limit $2",
    }
    /// The sender counts where the message is no person's and was not typed by the Mac's owner.
    PAGE_OF_MESSAGES {
        both: "select id, conversation_id, created_at,
                 case when user_id is null and not from_owner then sender end as sender
               from messages where id > $1 order by id limit $2",
    }
    LIST_MENTIONS { both: "select message_id from mentions where address = $1 order by message_id" }
}

/// All that stands under a handle and under nothing else, and the people who have or had it.
#[derive(Debug, Default)]
pub struct Traces {
    /// People whose number it is or was, the earliest first.
    pub people: Vec<Uuid>,
    /// The ways in which the handle is written here.
    pub spellings: BTreeSet<String>,
    /// Direct conversations with the handle that are no person's.
    pub conversations: Vec<ConversationRow>,
    /// Chats in whose list of participants it stands.
    pub memberships: Vec<Membership>,
    /// The mentions of it, as they are written.
    pub mentioned_as: Vec<String>,
    /// Messages of those conversations, and those that the handle wrote elsewhere; the newest first.
    pub messages: Vec<TracedMessage>,
}

/// A handle among the participants of a chat.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct Membership {
    /// The chat.
    pub conversation_id: Uuid,
    /// The handle as it is written there.
    pub handle: String,
    /// When it was first seen there.
    pub created_at: Timestamp,
}

/// A message that goes with a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TracedMessage {
    /// When it was stored.
    pub created_at: Timestamp,
    /// Its id.
    pub id: Uuid,
    /// Whether it stands in a conversation of others.
    pub is_elsewhere: bool,
}

#[derive(FromRow)]
struct UserPage {
    id: Uuid,
    phone: String,
    archived_phone: Option<String>,
    created_at: Timestamp,
}

#[derive(FromRow)]
struct ConversationPage {
    #[sqlx(flatten)]
    row: ConversationRow,
    guid: String,
    owner_handle: Option<String>,
}

impl ConversationPage {
    /// The first sender; in a chat in which only the Mac's owner wrote, the handle of its guid.
    fn peer(&self) -> &str {
        let by_guid = || self.guid.strip_prefix("-;").unwrap_or(&self.guid);
        self.owner_handle.as_deref().unwrap_or_else(by_guid)
    }
}

#[derive(FromRow)]
struct MessagePage {
    id: Uuid,
    conversation_id: Uuid,
    created_at: Timestamp,
    sender: Option<String>,
}

impl Traces {
    /// Whether nothing is known of the handle.
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && !self.has_rows()
    }

    /// Whether anything stands under the handle alone.
    pub fn has_rows(&self) -> bool {
        !self.spellings.is_empty()
    }

    /// Chats of others in whose list of participants it stands.
    pub fn memberships_elsewhere(&self) -> usize {
        let own: HashSet<Uuid> = self.conversations.iter().map(|row| row.id).collect();
        let elsewhere = |row: &&Membership| !own.contains(&row.conversation_id);
        self.memberships.iter().filter(elsewhere).count()
    }

    fn take(&mut self, address: &Address, text: &str) -> bool {
        let is_it = text == address.as_str()
            || Address::parse(text).is_some_and(|written| written == *address);
        if is_it {
            self.spellings.insert(text.to_owned());
        }
        is_it
    }
}

impl Store {
    /// Everything that stands under `address`, of rows that were written until `until`.
    pub async fn traces(
        &self,
        address: &Address,
        until: Option<Timestamp>,
    ) -> Result<Traces, StoreError> {
        let mut traces = Traces::default();
        self.trace_conversations(address, &mut traces).await?;
        self.trace_participants(address, until, &mut traces).await?;
        self.trace_mentions(address, &mut traces).await?;
        self.trace_messages(address, until, &mut traces).await?;
        traces.messages.sort_unstable_by(|a, b| b.cmp(a));
        traces.people = self.people_of(address).await?;
        Ok(traces)
    }

    /// The messages that mention an address, as it is written there.
    pub async fn mentions_of(&self, address: &str) -> Result<Vec<Uuid>, StoreError> {
        self.pools.reads().values(LIST_MENTIONS, (address,)).await
    }

    /// People whose number it is or was, the earliest first. An adopted number may be written with spaces.
    async fn people_of(&self, address: &Address) -> Result<Vec<Uuid>, StoreError> {
        let (mut after, mut people) = (Uuid::nil(), Vec::new());
        loop {
            let params = (after, PAGE);
            let page: Vec<UserPage> = self.pools.reads().all(PAGE_OF_USERS, params).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let mut written = Traces::default();
            people.extend(page.into_iter().filter_map(|row| {
                let numbers = [Some(row.phone), row.archived_phone];
                let is_theirs = numbers.iter().flatten().any(|it| written.take(address, it));
                is_theirs.then_some((row.created_at, row.id))
            }));
        }
        people.sort_unstable();
        Ok(people.into_iter().map(|(_, id)| id).collect())
    }

    async fn trace_conversations(
        &self,
        address: &Address,
        traces: &mut Traces,
    ) -> Result<(), StoreError> {
        let mut after = Uuid::nil();
        loop {
            let params = (after, PAGE);
            let mut reads = self.pools.reads();
            let page: Vec<ConversationPage> = reads.all(PAGE_OF_CONVERSATIONS, params).await?;
            let Some(last) = page.last() else { break };
            after = last.row.id;
            for conversation in page {
                if traces.take(address, conversation.peer()) {
                    traces.conversations.push(conversation.row);
                }
            }
        }
        traces
            .conversations
            .sort_by_key(|row| (row.created_at, row.id));
        Ok(())
    }

    async fn trace_participants(
        &self,
        address: &Address,
        until: Option<Timestamp>,
        traces: &mut Traces,
    ) -> Result<(), StoreError> {
        let mut after = (Uuid::nil(), String::new());
        loop {
            let params = (after.0, &after.1, PAGE);
            let page: Vec<Membership> =
                self.pools.reads().all(PAGE_OF_PARTICIPANTS, params).await?;
            let Some(last) = page.last() else { break };
            after = (last.conversation_id, last.handle.clone());
            for membership in page {
                if until.is_none_or(|until| membership.created_at <= until)
                    && traces.take(address, &membership.handle)
                {
                    traces.memberships.push(membership);
                }
            }
        }
        Ok(())
    }

    async fn trace_mentions(
        &self,
        address: &Address,
        traces: &mut Traces,
    ) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let params = (&after, PAGE);
            let page: Vec<String> = self.pools.reads().values(PAGE_OF_MENTIONED, params).await?;
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            for mentioned in page {
                if traces.take(address, &mentioned) {
                    traces.mentioned_as.push(mentioned);
                }
            }
        }
        Ok(())
    }

    async fn trace_messages(
        &self,
        address: &Address,
        until: Option<Timestamp>,
        traces: &mut Traces,
    ) -> Result<(), StoreError> {
        let own: HashSet<Uuid> = traces.conversations.iter().map(|row| row.id).collect();
        let mut after = Uuid::nil();
        loop {
            let params = (after, PAGE);
            let page: Vec<MessagePage> = self.pools.reads().all(PAGE_OF_MESSAGES, params).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            for row in page {
                let is_elsewhere = !own.contains(&row.conversation_id);
                if until.is_some_and(|until| row.created_at > until) {
                    continue;
                }
                let is_theirs =
                    (row.sender.as_deref()).is_some_and(|sender| traces.take(address, sender));
                if is_theirs || !is_elsewhere {
                    traces.messages.push(TracedMessage {
                        created_at: row.created_at,
                        id: row.id,
                        is_elsewhere,
                    });
                }
            }
        }
        Ok(())
    }
}
