//! The messages that no turn has answered yet, and the job that answers them.
//!
//! Intake writes both with the message itself: here on SQLite, in `open_turns.sql` on Postgres. At most one job of
//! a conversation waits, and the transaction that commits a reply deletes the rows that it answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::ids::row_id;
use crate::store::execute::Execute;
use crate::store::jobs::{ANSWER_TURN, LIST_OLD_TURN, TURNS_QUEUE};
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{Store, StoreError};

statements! {
    /// Whether the message that this one changes has a text.
    CHANGED_HAS_TEXT {
        sqlite: "select 1 from messages where relay = $1 and identity = $2 and text <> ''",
    }
    /// $1 is a JSON list with an object for each message.
    ADD_UNANSWERED {
        sqlite: "insert into unanswered_messages (message_id, conversation_id, received_at)
                 select unhex(value ->> 'message'), unhex(value ->> 'conversation'), value ->> 'received_at'
                 from json_each($1)",
    }
    /// $1 is a JSON list with an object for each conversation. A waiting job is put off until the chat is quiet, but
    /// not beyond the longest wait after the first unanswered message.
    OPEN_TURNS {
        sqlite: "insert into jobs (
                   id, kind, queue, lane, priority, dedupe_key, payload, run_at, attempts, created_at)
                 select unhex(value ->> 'job'), $2, $3, 'turn:' || (value ->> 'key'), 0, value ->> 'key',
                   cast('{\"conversation_id\":\"' || (value ->> 'key') || '\"}' as blob),
                   min(value ->> 'quiet_until', (value ->> 'longest') + (
                     select min(received_at) from unanswered_messages
                     where conversation_id = unhex(value ->> 'conversation'))),
                   0, max(value ->> 'last_at', coalesce(
                     (select max(created_at) + 1 from jobs
                      where lane = 'turn:' || (value ->> 'key') and dead_at is null), 0))
                 from json_each($1) where true
                 on conflict (kind, dedupe_key) where dedupe_key is not null
                   do update set run_at = excluded.run_at where jobs.run_at < excluded.run_at",
    }
    /// The job of a turn that was due before $1, and which no process works on at $2, becomes one that every replica
    /// runs.
    LET_LIST_OLD_TURNS {
        both: "update jobs set kind = $3, dedupe_key = null
               where kind = $4 and run_at <= $1 and dead_at is null
                 and (locked_until is null or locked_until <= $2)",
    }
    HASTEN_TURN {
        sqlite: "update jobs set run_at = min(run_at, $3) where kind = $1 and dedupe_key = $2",
    }
}

/// What a message does to the turn of its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnOpening {
    /// How long the chat has to be quiet after this message before the turn is due.
    pub quiet: Duration,
    /// The turn is due at the latest this long after its first message.
    pub longest: Duration,
    pub opens: Opens,
}

/// When a message opens a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    Turn,
    /// The message is a late text. It opens a turn unless the message that it completes had a text.
    TurnIfTextWasMissing,
    /// The message opens no turn. A turn that waits for the message becomes due.
    NothingButHastensWaitingTurn,
}

impl Opens {
    /// The name in `open_turns.sql`.
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::TurnIfTextWasMissing => "late_text",
            Self::NothingButHastensWaitingTurn => "hasten",
        }
    }
}

/// The lane of the jobs of a conversation.
pub(crate) fn lane(conversation_id: Uuid) -> String {
    format!("turn:{conversation_id}")
}

/// A message that opens a turn, as it is stored.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct OpeningMessage {
    pub(in crate::store) id: Uuid,
    pub(in crate::store) conversation_id: Uuid,
    pub(in crate::store) received_at: Timestamp,
    pub(in crate::store) turn: TurnOpening,
}

/// Whether a message that completes one of these messages of the relay opens a turn.
pub(in crate::store) async fn lacked_text(
    tx: &mut Tx,
    relay: &str,
    changes: &[String],
) -> Result<bool, StoreError> {
    for identity in changes {
        let found: Option<i64> = tx
            .optional_value(CHANGED_HAS_TEXT, (relay, identity))
            .await?;
        if found.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The messages of a batch in one conversation.
struct ConversationTurn {
    quiet_until: Timestamp,
    longest: Duration,
    last_at: Timestamp,
}

/// Writes that the messages of a batch are unanswered, and the jobs that answer their conversations. On SQLite, in the
/// transaction that stores the messages.
pub(in crate::store) async fn open_turns(
    tx: &mut Tx,
    messages: &[OpeningMessage],
) -> Result<(), StoreError> {
    let is_opening =
        |message: &&OpeningMessage| message.turn.opens != Opens::NothingButHastensWaitingTurn;
    let mut unanswered = Vec::new();
    let mut conversations: BTreeMap<Uuid, ConversationTurn> = BTreeMap::new();
    for message in messages.iter().filter(is_opening) {
        unanswered.push(json!({
            "message": message.id.simple().to_string(),
            "conversation": message.conversation_id.simple().to_string(),
            "received_at": message.received_at.as_micros(),
        }));
        let new = ConversationTurn {
            quiet_until: message.received_at.plus(message.turn.quiet),
            longest: message.turn.longest,
            last_at: message.received_at,
        };
        let turn = conversations.entry(message.conversation_id);
        turn.and_modify(|turn| turn.add(&new)).or_insert(new);
    }
    if !unanswered.is_empty() {
        let unanswered = serde_json::Value::from(unanswered).to_string();
        tx.execute(ADD_UNANSWERED, (unanswered,)).await?;
        let turns: serde_json::Value = conversations
            .iter()
            .map(|(id, turn)| turn.to_json(*id))
            .collect();
        let params = (turns.to_string(), ANSWER_TURN, TURNS_QUEUE);
        tx.execute(OPEN_TURNS, params).await?;
    }
    for message in messages.iter().filter(|message| !is_opening(message)) {
        let key = message.conversation_id.to_string();
        let due_at = message.received_at.plus(message.turn.quiet);
        tx.execute(HASTEN_TURN, (ANSWER_TURN, key, due_at)).await?;
    }
    Ok(())
}

impl Store {
    /// A turn whose newest message is older is listed for the owner and not answered.
    pub const TURN_MAX_AGE: Duration = Duration::from_hours(12);

    /// Lets every replica list the turns that have waited for too long, also one without a responder.
    pub async fn let_list_old_turns(&self, now: Timestamp) -> Result<u64, StoreError> {
        let due_before = now.minus(Self::TURN_MAX_AGE);
        let params = (due_before, now, LIST_OLD_TURN, ANSWER_TURN);
        self.pools
            .writes()
            .execute(LET_LIST_OLD_TURNS, params)
            .await
    }
}

impl ConversationTurn {
    fn add(&mut self, other: &Self) {
        self.quiet_until = self.quiet_until.max(other.quiet_until);
        self.longest = self.longest.max(other.longest);
        self.last_at = self.last_at.max(other.last_at);
    }

    /// The object of [`OPEN_TURNS`]. Times are in microseconds, as the database has them.
    fn to_json(&self, conversation_id: Uuid) -> serde_json::Value {
        json!({
            "job": row_id(self.last_at).simple().to_string(),
            "conversation": conversation_id.simple().to_string(),
            "key": conversation_id.to_string(),
            "quiet_until": self.quiet_until.as_micros(),
            "longest": u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX),
            "last_at": self.last_at.as_micros(),
        })
    }
}
