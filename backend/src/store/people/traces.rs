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
use crate::store::execute::{Execute, Params, Row};
use crate::store::statement::{Statement, statements};
use crate::store::{Store, StoreError};

/// Rows.
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
    pub conversation_id: Uuid,
    /// As it is written there.
    pub handle: String,
    pub created_at: Timestamp,
}

/// A message that goes with a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TracedMessage {
    pub created_at: Timestamp,
    pub id: Uuid,
    /// Whether it stands in a conversation of others.
    pub is_elsewhere: bool,
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
        type User = (Uuid, String, Option<String>, Timestamp);
        let mut people = Vec::new();
        let mut written = Traces::default();
        let each = |(id, phone, archived, created_at): User| {
            let mut numbers = [Some(phone), archived].into_iter().flatten();
            if numbers.any(|number| written.take(address, &number)) {
                people.push((created_at, id));
            }
        };
        let first = (Uuid::nil(), PAGE);
        self.each_row(PAGE_OF_USERS, first, |(id, ..): &User| (*id, PAGE), each)
            .await?;
        people.sort_unstable();
        Ok(people.into_iter().map(|(_, id)| id).collect())
    }

    async fn trace_conversations(
        &self,
        address: &Address,
        traces: &mut Traces,
    ) -> Result<(), StoreError> {
        let each = |conversation: ConversationPage| {
            if traces.take(address, conversation.peer()) {
                traces.conversations.push(conversation.row);
            }
        };
        let after = |last: &ConversationPage| (last.row.id, PAGE);
        self.each_row(PAGE_OF_CONVERSATIONS, (Uuid::nil(), PAGE), after, each)
            .await?;
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
        let each = |membership: Membership| {
            if until.is_none_or(|until| membership.created_at <= until)
                && traces.take(address, &membership.handle)
            {
                traces.memberships.push(membership);
            }
        };
        let first = (Uuid::nil(), String::new(), PAGE);
        let after = |last: &Membership| (last.conversation_id, last.handle.clone(), PAGE);
        self.each_row(PAGE_OF_PARTICIPANTS, first, after, each)
            .await
    }

    async fn trace_mentions(
        &self,
        address: &Address,
        traces: &mut Traces,
    ) -> Result<(), StoreError> {
        let each = |(mentioned,): (String,)| {
            if traces.take(address, &mentioned) {
                traces.mentioned_as.push(mentioned);
            }
        };
        let after = |(last,): &(String,)| (last.clone(), PAGE);
        self.each_row(PAGE_OF_MENTIONED, (String::new(), PAGE), after, each)
            .await
    }

    async fn trace_messages(
        &self,
        address: &Address,
        until: Option<Timestamp>,
        traces: &mut Traces,
    ) -> Result<(), StoreError> {
        type Message = (Uuid, Uuid, Timestamp, Option<String>);
        let own: HashSet<Uuid> = traces.conversations.iter().map(|row| row.id).collect();
        let each = |(id, conversation_id, created_at, sender): Message| {
            if until.is_some_and(|until| created_at > until) {
                return;
            }
            let is_elsewhere = !own.contains(&conversation_id);
            let is_theirs = sender.is_some_and(|sender| traces.take(address, &sender));
            if is_theirs || !is_elsewhere {
                traces.messages.push(TracedMessage {
                    created_at,
                    id,
                    is_elsewhere,
                });
            }
        };
        let after = |(id, ..): &Message| (*id, PAGE);
        self.each_row(PAGE_OF_MESSAGES, (Uuid::nil(), PAGE), after, each)
            .await
    }

    /// Reads page by page. `first` are the parameters of the first page, `after` makes those of the page
    /// after a row.
    async fn each_row<'q, R: Row, P: Params<'q>>(
        &self,
        page: Statement,
        first: P,
        after: impl Fn(&R) -> P,
        mut each: impl FnMut(R),
    ) -> Result<(), StoreError> {
        let mut params = first;
        loop {
            let rows: Vec<R> = self.pools.reads().all(page, params).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            params = after(last);
            rows.into_iter().for_each(&mut each);
        }
    }
}
