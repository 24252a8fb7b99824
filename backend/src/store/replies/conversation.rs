//! What is known about the conversation of a turn: where it runs, which addresses are ours, and what was decided
//! before.

use std::time::Duration;

use sqlx::FromRow;
use sqlx::types::Json;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    READ_CONVERSATION {
        both: "select id, relay, line, guid, chat_guid, mode, user_id from conversations where id = $1",
    }
    READ_ALIASES {
        both: "select chat_guid from conversation_aliases where conversation_id = $1 order by created_at, chat_guid",
    }
    /// The own addresses of the conversation's line.
    LINE_ADDRESSES {
        both: "select address from relay_lines where relay = $1 and line = $2 order by address",
    }
    /// Which of the addresses in a JSON list belong to a line of any relay.
    OWN_AMONG {
        postgres: "select distinct l.address from jsonb_array_elements_text(($1::text)::jsonb) as given (address)
                   join relay_lines l on l.address = given.address",
        sqlite: "select distinct address from relay_lines
                 where address in (select value from json_each($1))",
    }
    /// Which of the guids in a JSON list are of bubbles that the relay has sent.
    SENT_AMONG {
        postgres: "select b.message_guid from jsonb_array_elements_text(($2::text)::jsonb) as given (guid)
                   join command_bubbles b on b.relay = $1 and b.message_guid = given.guid",
        sqlite: "select message_guid from command_bubbles
                 where relay = $1 and message_guid in (select value from json_each($2))",
    }
    /// The last turns that were answered or paused, newest first, each with the text of its newest message.
    LAST_TURNS {
        both: "select t.outcome, t.decided_at, m.text
               from turns t left join messages m on m.id = t.newest_message_id
               where t.conversation_id = $1 and t.decided_at > $2 and t.outcome in ('replied', 'loop')
               order by t.decided_at desc, t.number desc limit 100",
    }
    TIME_ZONE_OF_PERSON {
        both: "select value from user_traits where user_id = $1 and name = 'time_zone'",
    }
}

/// The conversation of a turn.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct TurnConversation {
    pub id: Uuid,
    pub relay: String,
    /// The name of the line; empty if the relay has named none.
    pub line: String,
    /// The chat's guid without its service.
    pub guid: String,
    /// The guid under which the chat was first seen, with its service.
    pub chat_guid: String,
    pub mode: String,
    /// The person to whom a direct conversation belongs.
    pub user_id: Option<Uuid>,
}

impl TurnConversation {
    /// Whether the conversation was set aside: its person is deleted, or its number has a new owner.
    pub fn is_archived(&self) -> bool {
        self.guid.starts_with("archived:")
    }
}

/// An earlier turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct EarlierTurn {
    pub outcome: String,
    pub decided_at: Timestamp,
    /// The text of its newest message, if the message still exists.
    pub text: Option<String>,
}

/// What is known about a conversation.
#[derive(Debug)]
pub struct TurnFacts {
    pub conversation: TurnConversation,
    /// Full guids under which the chat was seen.
    pub aliases: Vec<String>,
    /// Own addresses of the conversation's line.
    pub line_addresses: Vec<String>,
    /// The answered and paused turns of the last day, newest first.
    pub earlier: Vec<EarlierTurn>,
    /// The IANA name of the person's time zone.
    pub time_zone: Option<String>,
}

pub(super) async fn read(
    tx: &mut Tx,
    conversation_id: Uuid,
) -> Result<Option<TurnConversation>, StoreError> {
    tx.optional(READ_CONVERSATION, (conversation_id,)).await
}

/// A list of texts as a parameter of statements.
fn json_texts(texts: &[&str]) -> String {
    serde_json::json!(texts).to_string()
}

impl Store {
    /// What is known about a conversation. `None` if it does not exist.
    pub async fn turn_facts(
        &self,
        conversation_id: Uuid,
        now: Timestamp,
    ) -> Result<Option<TurnFacts>, StoreError> {
        let mut tx = self.pools.begin_read(None).await?;
        let Some(conversation) = read(&mut tx, conversation_id).await? else {
            return Ok(None);
        };
        let day_ago = now.minus(Duration::from_hours(24));
        let time_zone: Option<Json<serde_json::Value>> = match conversation.user_id {
            Some(user_id) => tx.optional_value(TIME_ZONE_OF_PERSON, (user_id,)).await?,
            None => None,
        };
        Ok(Some(TurnFacts {
            aliases: tx.values(READ_ALIASES, (conversation_id,)).await?,
            line_addresses: tx
                .values(LINE_ADDRESSES, (&conversation.relay, &conversation.line))
                .await?,
            earlier: tx.all(LAST_TURNS, (conversation_id, day_ago)).await?,
            time_zone: time_zone.and_then(|value| value.0.as_str().map(str::to_owned)),
            conversation,
        }))
    }

    /// Which of these addresses belong to a line of any relay.
    pub async fn own_among(&self, addresses: &[&str]) -> Result<Vec<String>, StoreError> {
        let params = (json_texts(addresses),);
        self.pools.reads().values(OWN_AMONG, params).await
    }

    /// Which of these guids are of bubbles that the relay has sent.
    pub async fn sent_among(&self, relay: &str, guids: &[&str]) -> Result<Vec<String>, StoreError> {
        let params = (relay, json_texts(guids));
        self.pools.reads().values(SENT_AMONG, params).await
    }
}
