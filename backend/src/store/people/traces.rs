//! Finds the rows without a person that name a handle: an e-mail address, a short code or a number.
//!
//! Older relays wrote a handle in other ways (`E:Mail@…`, `tel:+1…`), and SQL cannot compare handles as Messages
//! does. So every row that can name a handle is read, in pages by primary key, and compared here. This takes long, but
//! only an operator's command needs it. The rows are not locked; they are deleted later, by their keys.

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

/// The number of rows that one statement reads.
const PAGE: i64 = 5_000;

statements! {
    PAGE_OF_USERS {
        both: "select id, phone, archived_phone, created_at from users where id > $1 order by id limit $2",
    }
    /// Direct conversations without a person.
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
    /// The sender is null if the message has a person or was written by the Mac's owner.
    PAGE_OF_MESSAGES {
        both: "select id, conversation_id, created_at,
                 case when user_id is null and not from_owner then sender end as sender
               from messages where id > $1 order by id limit $2",
    }
    LIST_MENTIONS { both: "select message_id from mentions where address = $1 order by message_id" }
}

/// The rows that name a handle and no person, and the people who have or had the handle as their number.
#[derive(Debug, Default)]
pub struct HandleRows {
    /// The ids of these people, the one created first at the front.
    pub people: Vec<Uuid>,
    /// The ways in which rows without a person write the handle.
    pub spellings: BTreeSet<String>,
    pub conversations: Vec<ConversationRow>,
    pub memberships: Vec<Membership>,
    /// The ways in which mentions write the handle.
    pub mentioned_as: Vec<String>,
    /// The messages of `conversations`, and those of the handle in other conversations; the newest first.
    pub messages: Vec<TracedMessage>,
}

/// A handle among the participants of a chat.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct Membership {
    pub conversation_id: Uuid,
    pub handle: String,
    pub created_at: Timestamp,
}

/// A message in a conversation of the handle, or from the handle in another conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TracedMessage {
    pub created_at: Timestamp,
    pub id: Uuid,
    /// Whether the conversation is not one of this handle's direct conversations.
    pub is_elsewhere: bool,
}

/// A direct conversation without a person, with the columns that name its handle.
#[derive(FromRow)]
struct ConversationWithPeer {
    #[sqlx(flatten)]
    row: ConversationRow,
    guid: String,
    owner_handle: Option<String>,
}

impl ConversationWithPeer {
    /// The handle that the Mac's owner talks with: that of the first sender or, if only the Mac's owner wrote, the one
    /// in the guid of the chat.
    fn peer(&self) -> &str {
        let by_guid = || self.guid.strip_prefix("-;").unwrap_or(&self.guid);
        self.owner_handle.as_deref().unwrap_or_else(by_guid)
    }
}

impl HandleRows {
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && !self.has_rows()
    }

    /// Whether a row without a person names the handle.
    pub fn has_rows(&self) -> bool {
        !self.spellings.is_empty()
    }

    /// The number of chats, other than the handle's direct ones, in which the handle is a participant.
    pub fn memberships_elsewhere(&self) -> usize {
        let own: HashSet<Uuid> = self.conversations.iter().map(|row| row.id).collect();
        let elsewhere = |row: &&Membership| !own.contains(&row.conversation_id);
        self.memberships.iter().filter(elsewhere).count()
    }

    /// Adds `text` to the spellings if it is the handle. Returns whether it is.
    fn add_if_spelling(&mut self, address: &Address, text: &str) -> bool {
        let is_spelling = text == address.as_str()
            || Address::parse(text).is_some_and(|written| written == *address);
        if is_spelling {
            self.spellings.insert(text.to_owned());
        }
        is_spelling
    }
}

impl Store {
    /// Finds the rows that name a handle, and the people who have or had it as their number. Participants and messages
    /// that were stored after `until` are left out.
    pub async fn traces(
        &self,
        address: &Address,
        until: Option<Timestamp>,
    ) -> Result<HandleRows, StoreError> {
        let mut traces = HandleRows::default();
        self.trace_conversations(address, &mut traces).await?;
        self.trace_participants(address, until, &mut traces).await?;
        self.trace_mentions(address, &mut traces).await?;
        self.trace_messages(address, until, &mut traces).await?;
        traces.messages.sort_unstable_by(|a, b| b.cmp(a));
        traces.people = self.people_of(address).await?;
        Ok(traces)
    }

    /// The ids of the messages that mention an address in this spelling.
    pub async fn mentions_of(&self, address: &str) -> Result<Vec<Uuid>, StoreError> {
        self.pools.reads().values(LIST_MENTIONS, (address,)).await
    }

    /// The people who have or had the number, the earliest first. An adopted number may be written with spaces.
    async fn people_of(&self, address: &Address) -> Result<Vec<Uuid>, StoreError> {
        type User = (Uuid, String, Option<String>, Timestamp);
        let mut people = Vec::new();
        let mut unused_spellings = HandleRows::default();
        let each = |(id, phone, archived, created_at): User| {
            let mut numbers = [Some(phone), archived].into_iter().flatten();
            if numbers.any(|number| unused_spellings.add_if_spelling(address, &number)) {
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
        traces: &mut HandleRows,
    ) -> Result<(), StoreError> {
        let each = |conversation: ConversationWithPeer| {
            if traces.add_if_spelling(address, conversation.peer()) {
                traces.conversations.push(conversation.row);
            }
        };
        let after = |last: &ConversationWithPeer| (last.row.id, PAGE);
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
        traces: &mut HandleRows,
    ) -> Result<(), StoreError> {
        let each = |membership: Membership| {
            if until.is_none_or(|until| membership.created_at <= until)
                && traces.add_if_spelling(address, &membership.handle)
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
        traces: &mut HandleRows,
    ) -> Result<(), StoreError> {
        let each = |(mentioned,): (String,)| {
            if traces.add_if_spelling(address, &mentioned) {
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
        traces: &mut HandleRows,
    ) -> Result<(), StoreError> {
        type Message = (Uuid, Uuid, Timestamp, Option<String>);
        let own: HashSet<Uuid> = traces.conversations.iter().map(|row| row.id).collect();
        let each = |(id, conversation_id, created_at, sender): Message| {
            if until.is_some_and(|until| created_at > until) {
                return;
            }
            let is_elsewhere = !own.contains(&conversation_id);
            let is_from_handle =
                sender.is_some_and(|sender| traces.add_if_spelling(address, &sender));
            if is_from_handle || !is_elsewhere {
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

    /// Calls `each` with every row, read page by page. `first` are the parameters of the first page; `after` makes the
    /// parameters of the page after a row.
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
