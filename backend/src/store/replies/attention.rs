//! What an operator has to look at: bubbles that may not have been sent, and turns that were not answered.
//!
//! An entry stays on the list until it is resolved or, after 30 days, deleted. An entry whose bubble gets another state
//! comes back.

use sqlx::FromRow;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

/// The most entries that are listed at once.
const MAX_ENTRIES: i64 = 10_000;

statements! {
    BUBBLES_FOR_ATTENTION {
        both: "select b.relay, b.command_id, b.bubble, b.state, b.code,
                 coalesce(b.reached_at, c.created_at) as since,
                 v.id as conversation_id, v.chat_guid, v.line
               from command_bubbles b
               join commands c on c.relay = b.relay and c.id = b.command_id
               left join conversations v on v.id = c.conversation_id
               where b.state in ('unknown', 'held', 'expired', 'failed') and b.resolved_at is null
               order by c.created_at, b.command_id, b.bubble limit $1",
    }
    TURNS_FOR_ATTENTION {
        both: "select v.relay, t.number, t.outcome as state, t.decided_at as since,
                 v.id as conversation_id, v.chat_guid, v.line
               from turns t join conversations v on v.id = t.conversation_id
               where t.outcome in ('too_old', 'failed', 'loop') and t.resolved_at is null
               order by t.decided_at, t.conversation_id, t.number limit $1",
    }
    COUNT_ATTENTION {
        both: "select (
                 select count(*) from command_bubbles
                 where state in ('unknown', 'held', 'expired', 'failed') and resolved_at is null
               ) + (
                 select count(*) from turns
                 where outcome in ('too_old', 'failed', 'loop') and resolved_at is null)",
    }
    RESOLVE_BUBBLE {
        both: "update command_bubbles set resolved_at = $3
               where command_id = $1 and bubble = $2 and resolved_at is null
                 and state in ('unknown', 'held', 'expired', 'failed')",
    }
    RESOLVE_TURN {
        both: "update turns set resolved_at = $3
               where conversation_id = $1 and number = $2 and resolved_at is null
                 and outcome in ('too_old', 'failed', 'loop')",
    }
}

/// What an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttentionSubject {
    Bubble { command_id: String, bubble: i32 },
    Turn { conversation_id: Uuid, number: i64 },
}

/// An entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionRow {
    pub subject: AttentionSubject,
    pub relay: String,
    /// The state of the bubble, or the outcome of the turn.
    pub state: String,
    /// Why the bubble has its state.
    pub code: Option<String>,
    pub since: Timestamp,
    /// `None` if the command belongs to no conversation.
    pub conversation: Option<AttentionConversation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionConversation {
    pub id: Uuid,
    pub chat_guid: String,
    /// Empty if the relay has named no line.
    pub line: String,
}

#[derive(FromRow)]
struct BubbleEntry {
    relay: String,
    command_id: String,
    bubble: i32,
    state: String,
    code: Option<String>,
    since: Timestamp,
    conversation_id: Option<Uuid>,
    chat_guid: Option<String>,
    line: Option<String>,
}

#[derive(FromRow)]
struct TurnEntry {
    relay: String,
    number: i64,
    state: String,
    since: Timestamp,
    conversation_id: Uuid,
    chat_guid: String,
    line: String,
}

impl Store {
    /// Everything that an operator has to look at: bubbles, then turns, each with the oldest first.
    pub async fn attention(&self) -> Result<Vec<AttentionRow>, StoreError> {
        let mut reads = self.pools.reads();
        let bubbles: Vec<BubbleEntry> = reads.all(BUBBLES_FOR_ATTENTION, (MAX_ENTRIES,)).await?;
        let turns: Vec<TurnEntry> = reads.all(TURNS_FOR_ATTENTION, (MAX_ENTRIES,)).await?;
        let bubbles = bubbles.into_iter().map(AttentionRow::from);
        Ok(bubbles.chain(turns.into_iter().map(Into::into)).collect())
    }

    /// How many entries the list has.
    pub async fn attention_count(&self) -> Result<i64, StoreError> {
        self.pools.reads().value(COUNT_ATTENTION, ()).await
    }

    /// Takes an entry off the list. Returns `false` if it is not on the list.
    pub async fn resolve_attention(
        &self,
        subject: &AttentionSubject,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut writes = self.pools.writes();
        let rows = match subject {
            AttentionSubject::Bubble { command_id, bubble } => {
                let params = (command_id, *bubble, now);
                writes.execute(RESOLVE_BUBBLE, params).await?
            }
            AttentionSubject::Turn {
                conversation_id,
                number,
            } => {
                let params = (*conversation_id, *number, now);
                writes.execute(RESOLVE_TURN, params).await?
            }
        };
        Ok(rows > 0)
    }
}

impl From<BubbleEntry> for AttentionRow {
    fn from(entry: BubbleEntry) -> Self {
        let conversation = match (entry.conversation_id, entry.chat_guid, entry.line) {
            (Some(id), Some(chat_guid), Some(line)) => Some(AttentionConversation {
                id,
                chat_guid,
                line,
            }),
            _ => None,
        };
        Self {
            subject: AttentionSubject::Bubble {
                command_id: entry.command_id,
                bubble: entry.bubble,
            },
            relay: entry.relay,
            state: entry.state,
            code: entry.code,
            since: entry.since,
            conversation,
        }
    }
}

impl From<TurnEntry> for AttentionRow {
    fn from(entry: TurnEntry) -> Self {
        Self {
            subject: AttentionSubject::Turn {
                conversation_id: entry.conversation_id,
                number: entry.number,
            },
            relay: entry.relay,
            state: entry.state,
            code: None,
            since: entry.since,
            conversation: Some(AttentionConversation {
                id: entry.conversation_id,
                chat_guid: entry.chat_guid,
                line: entry.line,
            }),
        }
    }
}
